//! Verdicts against a table that names codes where it means them and says the rest in words.

/// `accepting` are the words by which a file may be accepted.
pub(crate) fn is_acceptable(code: Option<&str>, acceptable: &str, accepting: &[&str]) -> bool {
    const ANY: &str = "as above";
    let mut codes = acceptable
        .split(|letter: char| !letter.is_ascii_uppercase() && letter != '_')
        .filter(|word| word.starts_with("E_"));
    match code {
        None => accepting.iter().any(|word| acceptable.contains(word)),
        Some(_) if accepting.contains(&ANY) && acceptable.contains(ANY) => true,
        // damage at random: any closed code will do
        Some(_) if codes.clone().next().is_none() => true,
        Some(code) => codes.any(|word| word == code),
    }
}
