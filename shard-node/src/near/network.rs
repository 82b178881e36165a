//! Which NEAR: a network by its name, or any RPC server by its address.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A NEAR RPC server. All networks are reached by the same code: only the address differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// The embedded network where `shard-node localnet` listens unless told otherwise.
    Localnet,
    /// NEAR's test network, at a free public server.
    Testnet,
    /// NEAR's main network, at a free public server.
    Mainnet,
    /// The server at this address.
    Server(String),
}

impl Network {
    /// The server's address.
    pub fn url(&self) -> &str {
        match self {
            Network::Localnet => "http://127.0.0.1:3030",
            Network::Testnet => "https://test.rpc.fastnear.com",
            Network::Mainnet => "https://free.rpc.fastnear.com",
            Network::Server(url) => url,
        }
    }

    /// The name that the server has to show, if one was asked for.
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Network::Localnet => Some("localnet"),
            Network::Testnet => Some("testnet"),
            Network::Mainnet => Some("mainnet"),
            Network::Server(_) => None,
        }
    }
}

impl FromStr for Network {
    type Err = Infallible;

    /// What is no name is an address; [`super::NearClient::new`] says if it can't be one.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "localnet" => Network::Localnet,
            "testnet" => Network::Testnet,
            "mainnet" => Network::Mainnet,
            url => Network::Server(url.to_owned()),
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_named_or_any_server_is_given_by_its_address() {
        for (text, name) in [("localnet", Some("localnet")), ("testnet", Some("testnet")), ("mainnet", Some("mainnet"))]
        {
            let network: Network = text.parse().expect("any text");
            assert_eq!(network.name(), name);
            assert!(network.url().starts_with("http"), "{}", network.url());
        }
        let own: Network = "http://127.0.0.1:4040".parse().expect("any text");
        assert_eq!((own.url(), own.name()), ("http://127.0.0.1:4040", None));
    }
}
