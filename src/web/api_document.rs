//! The description of the API, as OpenAPI 3.1 wants it.

use axum::http::StatusCode;
use serde_json::{Value, json};
use utoipa::openapi::OpenApi;

use super::answer::PROBLEM;
use super::base_path::BasePath;

const PROBLEM_SCHEMA: &str = "#/components/schemas/ApiProblem";

/// The document with what every answer has: a description, and the type of refusals.
pub fn finished(document: OpenApi, base: &BasePath) -> Value {
    let mut document = serde_json::to_value(document).expect("a document is JSON");
    if !base.as_str().is_empty() {
        document["servers"] = json!([{ "url": base.as_str() }]);
    }
    let paths = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    let operations = paths.filter_map(Value::as_object_mut).flat_map(|path| path.values_mut());
    for (status, response) in operations
        .filter_map(|operation| operation.get_mut("responses")?.as_object_mut())
        .flat_map(|responses| responses.iter_mut())
    {
        let status = status.parse::<StatusCode>().ok().and_then(|status| status.canonical_reason());
        if response.get("description").and_then(Value::as_str).is_none_or(str::is_empty) {
            response["description"] = status.unwrap_or("Answer").into();
        }
        let Some(content) = response.get_mut("content").and_then(Value::as_object_mut) else { continue };
        let refuses = content.get("application/json").is_some_and(|body| body["schema"]["$ref"] == PROBLEM_SCHEMA);
        if let Some(body) = refuses.then(|| content.remove("application/json")).flatten() {
            content.insert(PROBLEM.into(), body);
        }
    }
    document
}
