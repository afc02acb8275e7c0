//! What is not right in `[identity]` is told with its place.

use super::super::Settings;
use super::compile;

const PROBLEMS: &[(&str, &str, &str)] = &[
    (r#"sources = ["cookie"]"#, "I001", "this is none of"),
    (
        r#"sources = ["cookie:a", "cookie:a"]"#,
        "I001",
        "the source `cookie:a` is named twice",
    ),
    (r#"sources = ["jwt:authorization"]"#, "I001", "tokens are a source"),
    (
        r#"issuer.a = { jwks = "http://a.example/jwks", algorithms = ["ES256"] }"#,
        "I004",
        "a key set comes over https",
    ),
    (
        r#"issuer.a = { jwks = "jwks.json", algorithms = ["HS256"] }"#,
        "I003",
        "`HS256`: shared secrets",
    ),
    (
        r#"issuer.a = { jwks = "jwks.json", algorithms = ["none"] }"#,
        "I003",
        "`none`: an unsigned token",
    ),
    (
        r#"issuer.a = { jwks = "jwks.json", algorithms = [] }"#,
        "I003",
        "`a` has no algorithm",
    ),
    (
        r#"issuer.a = { jwks = "gone.json", algorithms = ["ES256"] }"#,
        "I004",
        "`gone.json` cannot be read",
    ),
    (
        r#"issuer.a = { jwks = "shared.json", algorithms = ["ES256"] }"#,
        "I004",
        "the key set holds a shared secret",
    ),
    (
        r#"issuer.a = { jwks = "empty.json", algorithms = ["ES256"] }"#,
        "I004",
        "the key set has no key",
    ),
    (
        r"group.x = { people_per_day = 3 }",
        "I005",
        "the group `x` needs one of",
    ),
    (r#"group.x = { claim = "role" }"#, "I005", "a claim is written"),
    (
        r#"group.x = { certificates = ["CN=a"] }"#,
        "I005",
        "the group `x` is named by certificates",
    ),
    (
        "sources = [\"certificate:subject\"]\ngroup.x = { certificates = [\"CN=a\", \"CN=a\"] }",
        "I005",
        "`CN=a`: it is in a group already",
    ),
    (
        "sources = [\"certificate:subject\"]\ngroup.x = { api_keys = \"keys\", certificates = [] }",
        "I005",
        "the group `x` needs one of",
    ),
    (
        r#"group.x = { api_keys = "jwks.json" }"#,
        "I006",
        "`jwks.json`: line 1 does not begin",
    ),
    (
        r#"issuer.a = { jwks = "jwks.json", algorithms = ["EdDSA"], peer = { kids = ["k"], networks = ["10.0.0.0/8"] } }"#,
        "I014",
        "`a` is a peer by its",
    ),
    (
        r#"issuer.a = { jwks = "jwks.json", algorithms = ["EdDSA"], issuer = "a", peer = { kids = [], networks = ["10.0.0.0/8"] } }"#,
        "I014",
        "`a` is a peer by its",
    ),
    (
        r#"issuer.a = { jwks = "jwks.json", algorithms = ["EdDSA"], issuer = "a", peer = { kids = ["k"], networks = ["10.0.0.0/8", "x"] } }"#,
        "I014",
        "`x` is no network",
    ),
    (r#"logs_in_at = ["/login"]"#, "I007", "a route is written"),
    (
        r#"issuer.api-key = { jwks = "jwks.json", algorithms = ["EdDSA"] }"#,
        "I008",
        "`api-key` cannot name",
    ),
    (
        r#"sources = ["introspect:authorization"]"#,
        "I001",
        "tokens are to be asked for",
    ),
    (
        r#"introspection = { url = "http://a.example/introspect" }"#,
        "I013",
        "tokens are asked for at an",
    ),
    (
        r#"introspection = { url = "https://a.example/introspect", client = "jwks.json" }"#,
        "I013",
        "`jwks.json` holds no `ID:SECRET`",
    ),
    (
        r#"introspection = { url = "https://a.example/introspect", answers_max = 0 }"#,
        "I008",
        "`identity.introspection.answers_max` is not within",
    ),
    (
        r#"introspection = { url = "https://a.example/introspect", accounts_of = "basic" }"#,
        "I008",
        "`basic` cannot name an issuer",
    ),
    (
        "introspection = { url = \"https://a.example/introspect\" }\n\
         issuer.introspection = { jwks = \"jwks.json\", algorithms = [\"EdDSA\"] }",
        "I008",
        "an issuer is called `introspection`",
    ),
    (
        r"issued_tokens_max = 0",
        "I008",
        "`identity.issued_tokens_max` is not within",
    ),
];

#[test]
fn every_problem_is_named_with_its_place() {
    for (config, code, message) in PROBLEMS {
        let problems = compile(config).err().expect(config);
        let [problem] = problems.as_slice() else {
            panic!("{config}: {problems:?}")
        };
        assert_eq!(problem.code, *code, "{config}");
        assert!(problem.message.starts_with(message), "{config}: {}", problem.message);
        assert!(
            problem
                .span
                .as_ref()
                .is_none_or(|span| config.get(span.clone()).is_some())
        );
        assert_eq!(problem.file, "tidegate.toml");
    }
}

#[test]
fn an_unknown_field_is_refused() {
    for config in [
        "cookies = []",
        "issuer.a = { jwks = \"x\", algorithms = [], url = \"y\" }",
    ] {
        assert!(toml::from_str::<Settings>(config).is_err(), "{config}");
    }
}
