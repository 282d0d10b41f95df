//! The JSON schema of the configuration file, for editors and for `contracts/`.

use schemars::generate::SchemaSettings;

use super::file::File;

/// The schema as pretty JSON with a newline at its end.
pub(crate) fn text() -> String {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<File>();
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain JSON");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Run with `UPDATE_CONTRACTS=1` to write the file anew.
    #[test]
    fn the_committed_schema_is_the_one_the_code_makes() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/config.schema.json");
        if crate::env::Environment::capture().get("UPDATE_CONTRACTS").is_some() {
            std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
            std::fs::write(path, text()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == text(), "contracts/config.schema.json is stale: run this test with UPDATE_CONTRACTS=1");
    }
}
