#![allow(clippy::unwrap_used)]

use appdepot_core::authorize::{Person, Subject};
use appdepot_core::domain::Timestamp;

use super::*;

fn facts(groups: &[&str]) -> Facts {
    Facts {
        subject: Subject::user("ada").unwrap(),
        person: Person { email: "ada@example.com".to_owned(), ..Person::default() },
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        roles: ["org.member".to_owned()].into(),
        at: Timestamp::parse("2026-11-22T21:30:00Z").unwrap(),
    }
}

/// The elements of XACML, short: `f(name)…` would hide what is tested.
fn apply(function: &str, inside: &str) -> String {
    format!("<Apply FunctionId='urn:oasis:names:tc:xacml:1.0:function:{function}'>{inside}</Apply>")
}

fn function(name: &str) -> String {
    format!("<Function FunctionId='urn:oasis:names:tc:xacml:1.0:function:{name}'/>")
}

fn value(text: &str) -> String {
    format!("<AttributeValue DataType='http://www.w3.org/2001/XMLSchema#string'>{text}</AttributeValue>")
}

fn attribute(id: &str, required: bool) -> String {
    format!(
        "<AttributeDesignator Category='urn:oasis:names:tc:xacml:1.0:subject-category:access-subject' \
         AttributeId='{id}' DataType='http://www.w3.org/2001/XMLSchema#string' MustBePresent='{required}'/>"
    )
}

const ROLE: &str = "http://wso2.org/claims/role";
const GIVEN: &str = "urn:oasis:names:tc:xacml:2.0:subject:role";
const EMAIL: &str = "http://wso2.org/claims/emailaddress";
const SUBJECT: &str = "urn:oasis:names:tc:xacml:1.0:subject:subject-id";

fn is(role: &str) -> String {
    apply("any-of", &[function("string-equal"), value(role), attribute(ROLE, true)].concat())
}

fn rule(effect: &str, test: &str) -> String {
    format!("<Rule Effect='{effect}' RuleId='r'><Condition>{test}</Condition></Rule>")
}

#[test]
fn only_what_permits_permits_unless_told_otherwise() {
    let (strict, lenient) = (Xacml::new(), Xacml::new().only_deny_blocks());
    let (contractor, staff) = (facts(&["contractor"]), facts(&["staff"]));
    for (text, by_strict, by_lenient) in [
        (rule("Deny", &is("contractor")), [false, false], [false, true]),
        (rule("Permit", &apply("not", &is("contractor"))), [false, true], [true, true]),
        (rule("Permit", &is("contractor")), [true, false], [true, true]),
        (format!("<Condition>{}</Condition>", is("contractor")), [true, false], [true, true]),
        ("<Rule Effect='Permit' RuleId='r'/>".to_owned(), [true, true], [true, true]),
        ("<Rule Effect='Deny' RuleId='r'/>".to_owned(), [false, false], [false, false]),
        ("not understood".to_owned(), [false, false], [false, false]),
    ] {
        assert_eq!([&contractor, &staff].map(|one| strict.permits(&text, one)), by_strict, "{text}");
        assert_eq!([&contractor, &staff].map(|one| lenient.permits(&text, one)), by_lenient, "{text}");
    }
}

#[test]
fn each_function_does_what_it_says() {
    let ada = facts(&["staff", "a & b"]);
    let only = |id| apply("string-one-and-only", &attribute(id, true));
    let bag = |texts: &[&str]| apply("string-bag", &texts.iter().map(|text| value(text)).collect::<String>());
    for (test, holds) in [
        (is("staff"), true),
        (is("a &amp; b"), true),
        (is("<![CDATA[a & b]]>"), true),
        // A group is no role, whatever it is called, and a role no group.
        (is("org.member"), false),
        (apply("string-is-in", &[value("org.member"), attribute(GIVEN, false)].concat()), true),
        (apply("string-is-in", &[value("staff"), attribute(GIVEN, false)].concat()), false),
        (is("Staff"), false),
        (apply("string-equal", &[value("ada"), only(SUBJECT)].concat()), true),
        (apply("string-equal", &[value("ada@example.com"), only(EMAIL)].concat()), true),
        (apply("string-equal-ignore-case", &[value("ADA"), only(SUBJECT)].concat()), true),
        (apply("string-regexp-match", &[value("@example[.]com$"), only(EMAIL)].concat()), true),
        (apply("string-regexp-match", &[value("^example"), only(EMAIL)].concat()), false),
        (
            apply("any-of", &[function("string-regexp-match"), value("^st"), attribute(ROLE, true)].concat()),
            true,
        ),
        // More than one role: cannot be decided, and so does not permit, negated neither.
        (apply("string-equal", &[value("staff"), only(ROLE)].concat()), false),
        (apply("not", &apply("string-equal", &[value("staff"), only(ROLE)].concat())), false),
        (
            apply(
                "or",
                &[apply("string-equal", &[value("staff"), only(ROLE)].concat()), is("staff")].concat(),
            ),
            true,
        ),
        (apply("and", &[is("staff"), is("boss")].concat()), false),
        (apply("and", ""), true),
        (apply("or", ""), false),
        (apply("string-is-in", &[value("staff"), attribute(ROLE, false)].concat()), true),
        (apply("string-is-in", &[value("ada"), bag(&["bob", "ada"])].concat()), true),
        (
            apply(
                "string-at-least-one-member-of",
                &[bag(&["boss", "staff"]), attribute(ROLE, false)].concat(),
            ),
            true,
        ),
        (apply("string-at-least-one-member-of", &[bag(&["boss"]), attribute(ROLE, false)].concat()), false),
    ] {
        let text = rule("Permit", &test);
        Xacml::new().check(&text).unwrap();
        assert_eq!(Xacml::new().permits(&text, &ada), holds, "{text}");
    }
    // Without an address: absent and asked for is undecided, absent and not asked for is no member.
    let nobody = Facts { person: Person::default(), ..ada };
    for (required, permitted) in [(true, false), (false, true)] {
        let has = apply("string-is-in", &[value("x"), attribute(EMAIL, required)].concat());
        let text = rule("Permit", &apply("not", &has));
        assert_eq!(Xacml::new().permits(&text, &nobody), permitted, "{text}");
    }
}

#[test]
fn what_is_not_understood_is_refused_where_it_stands() {
    let deep = "<a>".repeat(40);
    let unknown = rule("Permit", &apply("string-concatenate", &value("x")));
    for (text, said) in [
        ("", "character 1: XML"),
        ("text", "character 1: XML"),
        (" <Target/>", "character 2: Target instead of"),
        ("<Condition/>", "character 1: Condition takes 1"),
        ("<Condition></Rule>", "character 12: XML"),
        ("<Condition>", "character 12: XML"),
        ("<Condition/><Condition/>", "character 13: a second"),
        ("<!DOCTYPE a [<!ENTITY e 'x'>]><Condition/>", "character 1: a document type"),
        ("<Condition>&e;</Condition>", "character 12: XML"),
        ("<Rule Effect='Maybe' RuleId='r'/>", "character 1: an Effect"),
        ("<Rule RuleId='r'/>", "character 1: Rule without Effect"),
        ("<Rule Effect='Deny'><!-- ü --><Target/></Rule>", "character 31: Target in a Rule"),
        (unknown.as_str(), "string-concatenate is not known"),
        (&rule("Permit", &apply("string-regexp-match", &[value("("), value("x")].concat())), "a pattern"),
        (
            &rule("Permit", &apply("string-regexp-match", &[value("(x{1000}){1000}"), value("x")].concat())),
            "a pattern",
        ),
        (&rule("Permit", &is("x").replace(ROLE, "age")), "the attribute age is not known"),
        (&rule("Permit", &is("x").replace("#string", "#date")), "the DataType http"),
        (&rule("Permit", &is("1").replace("#string", "#integer")), "another DataType"),
        (&rule("Permit", &value("x")), "not a boolean"),
        (&rule("Permit", &apply("and", &value("x"))), "arguments that"),
        (
            &rule("Permit", &apply("integer-equal", &[value("1"), typed("integer", "1")].concat())),
            "arguments that",
        ),
        (&rule("Permit", &apply("string-less-than", &[value("1"), value("2")].concat())), "is not known"),
        (
            &rule(
                "Permit",
                &apply("integer-equal", &[typed("integer", "1.5"), typed("integer", "1")].concat()),
            ),
            "not of its",
        ),
        (
            &rule(
                "Permit",
                &apply("time-equal", &[typed("time", "25:00:00"), typed("time", "01:00:00")].concat()),
            ),
            "not of its",
        ),
        (deep.as_str(), "nested too deep"),
    ] {
        let error = Xacml::new().check(text).unwrap_err();
        assert!(error.to_string().contains(said), "{text}: {error}");
    }
}

fn typed(kind: &str, text: &str) -> String {
    value(text).replace("#string", &format!("#{kind}"))
}

#[test]
fn numbers_and_times_are_compared() {
    let ada = facts(&["staff", "a", "b"]);
    let now = attribute("urn:oasis:names:tc:xacml:1.0:environment:current-time", true)
        .replace("1.0:subject-category:access-subject", "3.0:attribute-category:environment")
        .replace("#string", "#time");
    let now = apply("time-one-and-only", &now);
    let number = |text: &str| typed("integer", text);
    let time = |text: &str| typed("time", text);
    let size = apply("string-bag-size", &attribute(ROLE, false));
    for (function, arguments, holds) in [
        ("integer-equal", [size.as_str(), &number("3")].concat(), true),
        ("integer-equal", [size.as_str(), &number(" 03 ")].concat(), true),
        ("integer-greater-than", [size.as_str(), &number("2")].concat(), true),
        ("integer-greater-than", [size.as_str(), &number("3")].concat(), false),
        ("integer-greater-than-or-equal", [size.as_str(), &number("3")].concat(), true),
        ("integer-less-than", [size.as_str(), &number("-3")].concat(), false),
        ("integer-less-than-or-equal", [number("-9223372036854775808"), size.clone()].concat(), true),
        ("time-less-than", [now.as_str(), &time("22:00:00")].concat(), true),
        ("time-greater-than", [now.as_str(), &time("22:00:00+01:00")].concat(), true),
        ("time-equal", [now.as_str(), &time("23:30:00.000+02:00")].concat(), true),
        ("time-in-range", [now.as_str(), &time("08:00:00"), &time("22:00:00")].concat(), true),
        ("time-in-range", [now.as_str(), &time("08:00:00"), &time("18:00:00")].concat(), false),
        // Over midnight.
        ("time-in-range", [now.as_str(), &time("21:00:00"), &time("06:00:00")].concat(), true),
        ("time-in-range", [now.as_str(), &time("22:00:00"), &time("06:00:00")].concat(), false),
        (
            "all-of",
            [function("string-regexp-match").as_str(), &value("^."), &attribute(ROLE, true)].concat(),
            true,
        ),
        ("all-of", [function("string-equal").as_str(), &value("a"), &attribute(ROLE, true)].concat(), false),
        ("any-of", [function("string-equal").as_str(), &attribute(ROLE, true), &value("a")].concat(), true),
        ("string-subset", [attribute(ROLE, true), attribute(ROLE, true)].concat(), true),
        (
            "string-equal",
            [value("ada"), apply("string-normalize-to-lower-case", &value("ADA"))].concat(),
            true,
        ),
    ] {
        let text = rule("Permit", &apply(function, &arguments));
        Xacml::new().check(&text).unwrap();
        assert_eq!(Xacml::new().permits(&text, &ada), holds, "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_does_harm(text in ".{0,300}", cut in 0usize..600) {
        let good = rule("Permit", &is("staff"));
        let cut = good.get(..cut.min(good.len())).unwrap_or_default();
        for text in [text.clone(), format!("{cut}{text}")] {
            let permitted = Xacml::new().permits(&text, &facts(&["staff"]));
            assert!(!permitted || Xacml::new().check(&text).is_ok());
        }
    }
}
