//! `--ssl-ciphers`: OpenSSL's cipher lists (ciphers(1)), as far as they name suites of rustls.
//!
//! As in OpenSSL, a list that names no suite of TLS 1.3 is about TLS 1.2 alone.

use rustls::SupportedCipherSuite;
use rustls::crypto::ring::cipher_suite as suites;

use super::TlsError;

/// What a list leaves, in its order.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) suites: Vec<SupportedCipherSuite>,
    /// Words that name nothing here.
    pub(super) unknown: Vec<String>,
}

#[derive(Debug)]
struct Suite {
    /// As OpenSSL names it.
    name: &'static str,
    /// As IANA does.
    formal: &'static str,
    rustls: SupportedCipherSuite,
    /// The words of ciphers(1) that mean it, among others.
    words: &'static [&'static str],
    /// Of the cipher's key.
    bits: u16,
}

/// Of TLS 1.2, in the order in which OpenSSL prefers them.
static TLS12: [Suite; 6] = [
    Suite {
        name: "ECDHE-ECDSA-AES256-GCM-SHA384",
        formal: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        rustls: suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        words: &["aECDSA", "ECDSA", "AES", "AES256", "AESGCM"],
        bits: 256,
    },
    Suite {
        name: "ECDHE-RSA-AES256-GCM-SHA384",
        formal: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        rustls: suites::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        words: &["aRSA", "AES", "AES256", "AESGCM"],
        bits: 256,
    },
    Suite {
        name: "ECDHE-ECDSA-CHACHA20-POLY1305",
        formal: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        rustls: suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        words: &["aECDSA", "ECDSA", "CHACHA20"],
        bits: 256,
    },
    Suite {
        name: "ECDHE-RSA-CHACHA20-POLY1305",
        formal: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        rustls: suites::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        words: &["aRSA", "CHACHA20"],
        bits: 256,
    },
    Suite {
        name: "ECDHE-ECDSA-AES128-GCM-SHA256",
        formal: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        rustls: suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        words: &["aECDSA", "ECDSA", "AES", "AES128", "AESGCM"],
        bits: 128,
    },
    Suite {
        name: "ECDHE-RSA-AES128-GCM-SHA256",
        formal: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        rustls: suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        words: &["aRSA", "AES", "AES128", "AESGCM"],
        bits: 128,
    },
];

/// Of TLS 1.3, whose suites say nothing of key exchange and signature.
static TLS13: [(&str, SupportedCipherSuite); 3] = [
    ("TLS_AES_256_GCM_SHA384", suites::TLS13_AES_256_GCM_SHA384),
    (
        "TLS_CHACHA20_POLY1305_SHA256",
        suites::TLS13_CHACHA20_POLY1305_SHA256,
    ),
    ("TLS_AES_128_GCM_SHA256", suites::TLS13_AES_128_GCM_SHA256),
];

/// Words of ciphers(1) that mean all of `TLS12`.
const ALL: &[&str] = &[
    "ALL", "DEFAULT", "HIGH", "TLSv1.2", "ECDHE", "EECDH", "kECDHE", "kEECDH", "ECDH",
];

/// Words of ciphers(1) for what rustls leaves out on purpose; they mean nothing here and are often
/// found in lists, mostly behind a `!`.
const NONE: &[&str] = &[
    "COMPLEMENTOFDEFAULT",
    "COMPLEMENTOFALL",
    "MEDIUM",
    "LOW",
    "EXP",
    "EXPORT",
    "eNULL",
    "NULL",
    "aNULL",
    "ADH",
    "AECDH",
    "kRSA",
    "RSA",
    "kDHE",
    "kEDH",
    "kDH",
    "DHE",
    "EDH",
    "DH",
    "kDHr",
    "kDHd",
    "kECDHr",
    "kECDHe",
    "aDSS",
    "DSS",
    "aDH",
    "aECDH",
    "SSLv2",
    "SSLv3",
    "TLSv1",
    "TLSv1.0",
    "TLSv1.1",
    "AESCCM",
    "AESCCM8",
    "ARIA",
    "ARIA128",
    "ARIA256",
    "ARIAGCM",
    "CAMELLIA",
    "CAMELLIA128",
    "CAMELLIA256",
    "DES",
    "3DES",
    "RC4",
    "RC2",
    "IDEA",
    "SEED",
    "MD5",
    "SHA1",
    "SHA",
    "SHA256",
    "SHA384",
    "aGOST",
    "aGOST01",
    "aGOST12",
    "kGOST",
    "GOST94",
    "GOST89MAC",
    "GOST",
    "PSK",
    "kPSK",
    "aPSK",
    "kECDHEPSK",
    "kDHEPSK",
    "kRSAPSK",
    "SRP",
    "kSRP",
    "aSRP",
    "CBC",
];

/// The suites that there are.
pub(super) fn available() -> String {
    let old = TLS12.iter().map(|suite| suite.name);
    let new = TLS13.iter().map(|(name, _)| *name);
    new.chain(old).collect::<Vec<_>>().join(", ")
}

/// Reads a list.
pub(super) fn choose(list: &str) -> Result<Chosen, TlsError> {
    let mut reading = Reading::default();
    for word in list.split([':', ',', ' ', ';']).filter(|it| !it.is_empty()) {
        reading.word(word).map_err(|()| TlsError::CipherSyntax {
            list: list.to_owned(),
            what: word.to_owned(),
        })?;
    }
    if reading.new.is_empty() && reading.old.is_empty() {
        return Err(TlsError::NoCipher {
            list: list.to_owned(),
            available: available(),
        });
    }
    let mut suites = reading.new;
    if suites.is_empty() {
        suites.extend(TLS13.iter().map(|(_, suite)| *suite));
    }
    suites.extend(reading.old.iter().map(|suite| suite.rustls));
    Ok(Chosen {
        suites,
        unknown: reading.unknown,
    })
}

/// A list as far as it is read.
#[derive(Default)]
struct Reading {
    new: Vec<SupportedCipherSuite>,
    old: Vec<&'static Suite>,
    /// Names of suites that may not come back.
    killed: Vec<&'static str>,
    unknown: Vec<String>,
}

impl Reading {
    /// # Errors
    /// When it is none of the words that lists are made of.
    fn word(&mut self, word: &str) -> Result<(), ()> {
        if let Some(command) = word.strip_prefix('@') {
            return self.command(command);
        }
        let (sign, what) = match word.split_at_checked(1) {
            Some((sign @ ("!" | "-" | "+"), what)) => (sign, what),
            _ => ("", word),
        };
        if let Some((_, suite)) = TLS13.iter().find(|(name, _)| *name == what) {
            self.new.retain(|known| known != suite);
            if matches!(sign, "" | "+") {
                self.new.push(*suite);
            }
            return Ok(());
        }
        let Some(meant) = meant(what) else {
            if sign.is_empty() {
                self.unknown.push(what.to_owned());
            }
            return Ok(());
        };
        let is_meant = |suite: &Suite| meant.iter().any(|meant| meant.name == suite.name);
        match sign {
            "" => {
                for suite in meant {
                    let killed = self.killed.contains(&suite.name);
                    let there = self.old.iter().any(|known| known.name == suite.name);
                    if !killed && !there {
                        self.old.push(suite);
                    }
                }
            }
            "+" => self.old.sort_by_key(|suite| is_meant(suite)),
            _ => {
                self.old.retain(|suite| !is_meant(suite));
                if sign == "!" {
                    self.killed.extend(meant.iter().map(|suite| suite.name));
                }
            }
        }
        Ok(())
    }

    fn command(&mut self, command: &str) -> Result<(), ()> {
        match command {
            "STRENGTH" => self.old.sort_by_key(|suite| std::cmp::Reverse(suite.bits)),
            // All that there is here fits into these.
            "SECLEVEL=0" | "SECLEVEL=1" | "SECLEVEL=2" | "SECLEVEL=3" => {}
            _ => return Err(()),
        }
        Ok(())
    }
}

/// The suites that a name, or words joined by `+`, mean; `None`: it is no word at all.
fn meant(what: &str) -> Option<Vec<&'static Suite>> {
    let mut left: Vec<&Suite> = TLS12.iter().collect();
    for word in what.split('+') {
        let named = |suite: &Suite| suite.name == word || suite.formal == word;
        if TLS12.iter().any(named) {
            left.retain(|suite| named(suite));
        } else if NONE.contains(&word) {
            left.clear();
        } else if TLS12.iter().any(|suite| suite.words.contains(&word)) {
            left.retain(|suite| suite.words.contains(&word));
        } else if !ALL.contains(&word) {
            return None;
        }
    }
    Some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of what `list` leaves of TLS 1.2.
    fn left(list: &str) -> Vec<&'static str> {
        let chosen = choose(list).unwrap();
        let chosen = chosen.suites.iter();
        let name = |suite| TLS12.iter().find(|it| it.rustls == suite).map(|it| it.name);
        chosen.filter_map(|suite| name(*suite)).collect()
    }

    #[test]
    fn lists_mean_what_they_mean_to_openssl() {
        let [ec256, rsa256, ec_cha, rsa_cha, ec128, rsa128] = TLS12.each_ref().map(|it| it.name);
        let cases = [
            ("ECDHE-RSA-AES128-GCM-SHA256", vec![rsa128]),
            ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", vec![rsa128]),
            (
                "HIGH:!aNULL:!MD5:!DSS",
                vec![ec256, rsa256, ec_cha, rsa_cha, ec128, rsa128],
            ),
            ("ECDHE+AESGCM:!ECDSA", vec![rsa256, rsa128]),
            ("CHACHA20,AES128+aRSA", vec![ec_cha, rsa_cha, rsa128]),
            (
                "AES128:AES256:@STRENGTH",
                vec![ec256, rsa256, ec128, rsa128],
            ),
            ("aRSA:+AES256:-CHACHA20", vec![rsa128, rsa256]),
            ("aRSA:!AES256:AES256", vec![rsa_cha, rsa128]),
            ("AESGCM+aRSA:-AES256:AES256+aRSA", vec![rsa128, rsa256]),
        ];
        for (list, expected) in cases {
            assert_eq!(left(list), expected, "{list}");
        }
    }

    #[test]
    fn tls_1_3_is_left_out_only_by_a_list_that_names_others_of_it() {
        let suites = choose("ECDHE-RSA-AES128-GCM-SHA256").unwrap().suites;
        assert_eq!(suites.len(), 4);
        let suites = choose("TLS_AES_128_GCM_SHA256").unwrap().suites;
        assert_eq!(suites, [suites::TLS13_AES_128_GCM_SHA256]);
    }

    #[test]
    fn a_list_that_leaves_nothing_says_what_there_is() {
        for list in ["AES128-SHA:DES-CBC3-SHA", "HIGH:!ECDHE", "", "eNULL"] {
            let error = choose(list).unwrap_err().to_string();
            assert!(
                error.contains("there are TLS_AES_256_GCM_SHA384, "),
                "{error}"
            );
        }
    }

    #[test]
    fn names_that_mean_nothing_are_told() {
        let list = "AES128-SHA:HIGH:!DES-CBC3-SHA:HIHG:RC4:kRSA+AES";
        assert_eq!(choose(list).unwrap().unknown, ["AES128-SHA", "HIHG"]);
        let error = choose("HIGH:@SECLEVEL=5").unwrap_err().to_string();
        assert!(error.contains("@SECLEVEL=5 is not supported"), "{error}");
    }
}
