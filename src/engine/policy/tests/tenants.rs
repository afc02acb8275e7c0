//! Whose data it is: nothing of one tenant is counted with another's.

use super::*;

#[test]
fn what_one_tenant_is_shown_is_counted_and_hashed_apart_from_every_other() {
    #[derive(serde::Deserialize)]
    struct File {
        budget: Vec<BudgetSyntax>,
    }
    let dimensions = ["session", "address", "route", "service", "global", "address+route"];
    let text: String = dimensions
        .iter()
        .map(|per| budget(per, &format!("per = \"{per}\"\npeople = 9")))
        .collect();
    let File { budget } = toml::from_str(&text).unwrap();
    let compiled = |tenants: [&str; 4]| {
        let routes = tenants.map(|tenant| RoutePolicy {
            name: "shop.example/".to_owned(),
            tenant: tenant.to_owned(),
            ..RoutePolicy::default()
        });
        let written = Written {
            budgets: &budget,
            routes: &routes,
            exact_elements_max: 100_000,
            ..Written::default()
        };
        Policy::compile(&written, HashKey::new([1; 32]), Now::from_millis(0), &mut Vec::new()).unwrap()
    };
    let policy = compiled(["", "acme", "other", "acme"]);
    let of = |route: usize| keys(&policy, &Facts { route, ..facts() });
    assert_eq!(of(1), of(3), "two routes of one tenant");
    assert_eq!(
        of(0),
        keys(&compiled(["default"; 4]), &facts()),
        "who names none is the default one"
    );
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        assert!(of(one).iter().all(|key| !of(other).contains(key)), "{one} and {other}");
        let subject = |route| policy.secret_of(route).hash64("a person", &[]);
        assert_ne!(subject(one), subject(other));
    }
    assert!(policy.tenants().eq(["default", "acme", "other"]));
    assert!(
        compiled(["acme"; 4]).tenants().eq(["acme"]),
        "nobody's data is the default one's"
    );
}
