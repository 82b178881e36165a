//! Who may use the local API: whoever brings the home's token.

use super::error::Failure;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;

/// The token that requests have to bring.
#[derive(Clone)]
pub(super) struct Token(Arc<[u8]>);

impl Token {
    pub(super) fn new(token: &str) -> Self {
        Token(token.as_bytes().into())
    }

    /// Compares in a time that depends on the length only.
    fn is(&self, found: &[u8]) -> bool {
        let difference = self.0.iter().zip(found).fold(0, |sum, (a, b)| std::hint::black_box(sum | (a ^ b)));
        self.0.len() == found.len() && !self.0.is_empty() && difference == 0
    }
}

/// Refuses requests without `Authorization: Bearer <token>`.
pub(super) async fn require_token(
    State(token): State<Token>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let header = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes());
    match header.and_then(|value| value.strip_prefix(b"Bearer ")) {
        Some(found) if token.is(found) => Ok(next.run(request).await),
        _ => Err(Failure::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "the request brings no valid token: send `Authorization: Bearer` and the content of api.token in the node's home",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_the_token() {
        let token = Token::new("secret");
        assert!(token.is(b"secret"));
        for wrong in [&b""[..], b"s", b"secre", b"secret ", b"secreT", b"secretsecret"] {
            assert!(!token.is(wrong), "{wrong:?}");
        }
        assert!(!Token::new("").is(b""));
    }
}
