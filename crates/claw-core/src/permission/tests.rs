use super::*;

fn patterns(list: &[&str]) -> Vec<Pattern> {
    list.iter().map(|text| text.parse().unwrap()).collect()
}

fn rules(profile: Option<Profile>, allow: &[&str], deny: &[&str]) -> Rules {
    Rules { profile, allow: patterns(allow), also_allow: Vec::new(), deny: patterns(deny), ask: Vec::new() }
}

fn permitted(rules: &Rules) -> Vec<&'static str> {
    let all = ["read", "write", "exec", "process", "web_fetch", "session_status", "sessions_list", "memory_get", "x"];
    all.into_iter().filter(|tool| rules.permits(tool)).collect()
}

#[test]
fn a_base_is_added_to_and_what_is_denied_stays_denied() {
    let table: &[(Rules, &[&str])] = &[
        (
            Rules::default(),
            &["read", "write", "exec", "process", "web_fetch", "session_status", "sessions_list", "memory_get", "x"],
        ),
        (rules(Some(Profile::Minimal), &[], &[]), &["session_status"]),
        (rules(Some(Profile::Messaging), &[], &[]), &["session_status", "sessions_list"]),
        (
            rules(Some(Profile::Coding), &[], &[]),
            &["read", "write", "exec", "process", "web_fetch", "session_status", "sessions_list", "memory_get"],
        ),
        (rules(None, &["read", "web_*"], &[]), &["read", "web_fetch"]),
        (rules(Some(Profile::Minimal), &["group:fs"], &["write"]), &["read", "session_status"]),
        (
            rules(Some(Profile::Full), &["exec"], &["group:runtime", "x"]),
            &["read", "write", "web_fetch", "session_status", "sessions_list", "memory_get"],
        ),
        (rules(None, &["*"], &["*"]), &[]),
        (rules(None, &["fs_read", "Bash"], &["fs_read"]), &["exec"]),
    ];
    for (rules, expected) in table {
        assert_eq!(permitted(rules), *expected, "{rules:?}");
    }
}

#[test]
fn an_agents_own_base_counts_and_denials_add_up() {
    let id = |name: &str| AgentId::parse(name).unwrap();
    let permissions = Permissions {
        general: rules(Some(Profile::Minimal), &["exec"], &["write"]),
        agents: vec![
            (id("coder"), rules(Some(Profile::Coding), &["write"], &["process"])),
            (id("meek"), Rules { also_allow: patterns(&["read", "write"]), ..rules(None, &[], &["exec"]) }),
        ],
        api_keys: rules(None, &[], &["group:runtime"]),
        ..Permissions::default()
    };
    let (direct, key) = (Origin::default(), PrincipalId::from_stored("key_1".into()));
    let operator = PrincipalId::operator();
    let permits = |agent: &str, principal: &PrincipalId, tool: &str| {
        permissions.permits(Asker { agent: &id(agent), principal, origin: &direct }, tool)
    };
    let may = |agent: &str, tool: &str| permits(agent, &operator, tool);
    let key_may = |agent: &str, tool: &str| permits(agent, &key, tool);
    assert!(may("main", "exec") && !may("main", "read") && !may("main", "write"));
    assert!(may("coder", "read") && may("coder", "exec") && !may("coder", "write") && !may("coder", "process"));
    assert!(may("meek", "read") && !may("meek", "exec") && !may("meek", "write"));
    assert!(!key_may("main", "exec") && key_may("coder", "read"));
}

/// Whoever it comes from, each rule that is for it can only take away.
#[test]
fn channel_sender_and_principal_each_take_away_and_add_nothing() {
    let key = PrincipalId::from_stored("key_1".into());
    let permissions = Permissions {
        general: rules(Some(Profile::Coding), &[], &["edit"]),
        principals: vec![(key.clone(), rules(None, &["read", "edit"], &[]))],
        channels: vec![
            ("telegram".into(), rules(None, &["read", "exec", "message"], &[])),
            ("*".into(), rules(Some(Profile::Minimal), &[], &[])),
        ],
        senders: vec![("id:7".into(), rules(Some(Profile::Full), &[], &[])), ("*".into(), rules(None, &[], &["exec"]))],
        ..Permissions::default()
    };
    let permitted = |principal: &PrincipalId, channel: Option<&str>, sender: Option<&str>| -> Vec<&str> {
        let origin = Origin { channel: channel.map(str::to_owned), sender: sender.map(str::to_owned), hops: 0 };
        let main = AgentId::main();
        let asker = Asker { agent: &main, principal, origin: &origin };
        let all = ["read", "edit", "exec", "message", "session_status"];
        all.into_iter().filter(|tool| permissions.permits(asker, tool)).collect()
    };
    let operator = PrincipalId::operator();
    assert_eq!(permitted(&operator, None, None), ["read", "exec", "session_status"]);
    assert_eq!(permitted(&operator, Some("telegram"), Some("id:7")), ["read", "exec"]);
    assert_eq!(permitted(&operator, Some("telegram"), Some("id:8")), ["read"]);
    assert_eq!(permitted(&operator, Some("irc"), Some("id:7")), ["session_status"]);
    assert_eq!(permitted(&key, None, None), ["read"], "what the general rules deny stays denied");
}

#[test]
fn agents_reach_each_other_only_if_both_are_listed() {
    let id = |name: &str| AgentId::parse(name).unwrap();
    let may = |patterns: &[&str], from: &str, to: &str| {
        Meeting::among(patterns.iter().map(|text| (*text).to_owned())).permits(&id(from), &id(to))
    };
    assert!(may(&[], "a", "a") && !may(&[], "a", "b"));
    assert!(may(&["*"], "a", "b") && may(&["A", "b-*"], "a", "b-1") && !may(&["a"], "a", "b"));
}

/// Advisory 13: whoever adds a tool says here whether it may be called outside of a run.
#[test]
fn a_tool_has_a_group_and_profiles_and_is_for_callers_or_not() {
    let profiles =
        |tool: &str| Profile::ALL.into_iter().filter(|p| p.has(tool)).map(Profile::as_str).collect::<Vec<_>>();
    let table = [
        ("read", Some("fs"), true, &["coding", "full"][..]),
        ("exec", Some("runtime"), true, &["coding", "full"]),
        ("web_search", Some("web"), true, &["coding", "full"]),
        ("sessions_send", Some("sessions"), false, &["coding", "messaging", "full"]),
        ("session_status", Some("sessions"), true, &["minimal", "coding", "messaging", "full"]),
        ("other", None, true, &["full"]),
    ];
    for (tool, group, callers, in_profiles) in table {
        assert_eq!(
            (group_of(tool), is_for_callers(tool), profiles(tool)),
            (group, callers, in_profiles.to_vec()),
            "{tool}"
        );
    }
}

/// Guarantee "Exec": off for hooks, whatever is configured, also in the operator's own conversation.
#[test]
fn no_configuration_gives_commands_to_hooks() {
    let open = Permissions::default();
    let (main, hook, operator) = (AgentId::main(), PrincipalId::hook(), PrincipalId::operator());
    let (direct, by_hook) = (Origin::default(), Origin::hook(Some("CI".into())));
    let may = |principal, origin, tool| open.permits(Asker { agent: &main, principal, origin }, tool);
    for tool in ["exec", "process"] {
        assert!(may(&operator, &direct, tool));
        assert!(!may(&hook, &by_hook, tool) && !may(&hook, &direct, tool) && !may(&operator, &by_hook, tool));
    }
    assert!(may(&hook, &by_hook, "read") && may(&operator, &by_hook, "web_fetch"));
}

#[test]
fn a_group_nobody_knows_is_refused_because_it_would_deny_nothing() {
    for bad in ["group:rutime", "", "*x", "a b", "group:", "../x", "gr\u{f6}up"] {
        assert!(bad.parse::<Pattern>().is_err(), "{bad:?}");
    }
    for (name, own) in [("fs_read", "read"), ("fs_list", "ls"), (" EXEC ", "exec"), ("group:FS", "group:fs")] {
        assert_eq!(name.parse::<Pattern>().unwrap().as_str(), own);
    }
    assert_eq!(aliases("read").collect::<Vec<_>>(), ["fs_read"]);
}
