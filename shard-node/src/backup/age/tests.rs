//! The age format, against files of the age tool itself, and against who changes them.

use super::*;
use std::io::BufReader;

/// Made by `age-keygen` and `age -r`, version 1.1.1.
const SECRET: &str = "AGE-SECRET-KEY-12JHQNADJAKNW7VV0JPRJFAU9LU0TXEV6ME2A07AFU6MTE3EN8CYQFWKYLJ";
const RECIPIENT: &str = "age1dxcg6fugxjtqnz5xu9834u92mqlt9d2f9z2fqspsd7frk44zpuys20czl9";
const CONTENT: &str = "a turn is there as a whole or not at all";
const FILE: &str = "\
    YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSA2K0tVZVhkMm5ZR1NBdXVDdUV2TGdkd1U4WG9zU3VQMGVhdDhYVDdjR1Rj \
    Ck1zRy9DM2FaWEljMUEvejZpNEc0MFdwaWRac29KdFRNS0NCdmFZV0l5bDQKLS0tIGh0MHRHNHNoSitsTW45ZTBRbGM3aXhXcFN5 \
    WVNXelJLalJKb2VVMFNGYVEKe05lxPRAYPTb36PaxbBbGvv9eWjBX3QwyehJQ05OKs6gg6aSXQeAUQzJUv4liMwDE9esxZ96AGRB \
    Rwk5o2MfRR0F6oYnVt65";

fn encrypted(content: &[u8], recipients: &[Recipient]) -> Vec<u8> {
    let mut encryptor = Encryptor::new(Vec::new(), recipients).expect("a header");
    encryptor.write_all(content).expect("written");
    encryptor.finish().expect("complete")
}

fn decrypted(file: &[u8], identities: &[Identity]) -> Result<Vec<u8>, AgeError> {
    let mut content = Vec::new();
    // A small buffer: chunks don't come at once.
    Decryptor::new(BufReader::with_capacity(1000, file), identities)?.read_to_end(&mut content)?;
    Ok(content)
}

fn identity() -> Identity {
    Identity::generate().expect("randomness")
}

#[test]
fn a_file_of_the_age_tool_is_read_with_a_key_of_the_age_tool() {
    let text = format!("# created: 2026-11-22\n# public key: {RECIPIENT}\n{SECRET}\n");
    let identities = Identity::parse_file(&text).expect("an identity");
    assert_eq!(identities[0].recipient().to_string(), RECIPIENT);
    assert_eq!(identities[0].secret_line(), SECRET);
    let file = base64::engine::general_purpose::STANDARD.decode(FILE.replace(' ', "")).expect("base64");
    assert_eq!(decrypted(&file, &identities).expect("readable"), CONTENT.as_bytes());
}

#[test]
fn content_of_any_length_comes_back_for_each_recipient_and_nobody_else() {
    let (ann, bob, eve) = (identity(), identity(), identity());
    for length in [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000] {
        let content: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).expect("below 251")).collect();
        let file = encrypted(&content, &[ann.recipient(), bob.recipient()]);
        for reader in [&ann, &bob] {
            assert_eq!(decrypted(&file, &[eve.clone(), reader.clone()]).expect("readable"), content);
        }
        assert!(matches!(decrypted(&file, std::slice::from_ref(&eve)), Err(AgeError::NoIdentityFits)));
    }
}

#[test]
fn a_file_that_mallory_changed_anywhere_or_cut_anywhere_is_refused() {
    let ann = identity();
    let content = vec![7; 65_536 + 100];
    let file = encrypted(&content, &[ann.recipient()]);
    for at in (0..300).chain((300..file.len()).step_by(3_001)).chain(file.len() - 200..file.len()) {
        let mut changed = file.clone();
        changed[at] ^= 1;
        assert!(decrypted(&changed, std::slice::from_ref(&ann)).is_err(), "byte {at}");
    }
    let chunk = 65_536 + 16;
    let header = file.len() - 2 * 16 - content.len();
    for end in (0..file.len()).step_by(997).chain([header, header + chunk, file.len() - 1]) {
        assert!(decrypted(&file[..end], std::slice::from_ref(&ann)).is_err(), "cut at {end}");
    }
    assert!(decrypted(&[&file[..], b"more"].concat(), std::slice::from_ref(&ann)).is_err());
    let swapped = [&file[..header], &file[header + chunk..], &file[header..header + chunk]].concat();
    assert!(decrypted(&swapped, &[ann]).is_err(), "chunks in another order");
}

#[test]
fn what_is_no_key_is_refused_and_a_secret_is_not_shown() {
    let secret = identity().secret_line();
    for text in ["age1", "age1qqqq", &RECIPIENT[..60], &RECIPIENT.to_uppercase(), &secret] {
        assert!(text.parse::<Recipient>().is_err(), "{text}");
    }
    for text in ["", "# nothing\n", RECIPIENT, &secret.to_lowercase(), &secret[..50]] {
        let refused = Identity::parse_file(text).expect_err("no identity").to_string();
        assert!(!refused.contains("KEY-1Q") && !refused.contains(&secret), "{refused}");
    }
    assert!(!format!("{:?}", identity()).contains("KEY"));
}
