//! `GET /api/openapi.json`: the description of every route, made from the routes' own types.

use actix_web::web::Json;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::error::ErrorAnswer;
use super::shapes::STATUS;
use super::{health, jobs, predict, projects, queue, setup, versions, webhook, webhook_log};

#[derive(OpenApi)]
#[openapi(
    info(title = "weathervane", description = "Label Studio ML backend; docs/API.md says more in words."),
    servers(
        (url = "/", description = "with Basic authentication, where a password is set"),
        (url = "/{secret}", description = "below the secret path", variables(
            ("secret" = (default = "SECRET", description = "the value of SECRET_PATH"))
        )),
    ),
    paths(
        health::root,
        health::health,
        health::metrics,
        setup::setup,
        predict::predict,
        webhook::webhook,
        versions::names,
        webhook_log::received,
        jobs::train,
        jobs::job_status,
        projects::list,
        projects::show,
        queue::show,
        queue::review,
        versions::activate,
        versions::pin,
        jobs::show,
        openapi
    ),
    components(schemas(ErrorAnswer)),
    modifiers(&Access, &Refusals, &Probes)
)]
struct Api;

/// This description
#[utoipa::path(get, path = "/api/openapi.json", tag = STATUS,
    responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(Api::openapi())
}

/// Basic authentication, which is asked for only where a password or a secret path is set.
struct Access;

impl Modify for Access {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let basic = SecurityScheme::Http(Http::new(HttpAuthScheme::Basic));
        api.components.get_or_insert_default().add_security_scheme("basic", basic);
        let none = SecurityRequirement::default();
        api.security = Some(vec![none, SecurityRequirement::new("basic", Vec::<String>::new())]);
    }
}

/// Every route may refuse, always in the same words.
struct Refusals;

impl Modify for Refusals {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let error = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorAnswer"))).build();
        let refused = ResponseBuilder::new()
            .description("refused; docs/API.md lists the codes")
            .content("application/json", error)
            .build();
        for path in api.paths.paths.values_mut() {
            // An answer to HEAD has no body.
            for operation in [&mut path.get, &mut path.post].into_iter().flatten() {
                operation.responses.responses.insert("default".to_owned(), refused.clone().into());
            }
        }
    }
}

/// `HEAD` is described with `GET`; clients made from the description want another name for it.
struct Probes;

impl Modify for Probes {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        for path in api.paths.paths.values_mut() {
            if let Some(head) = &mut path.head {
                head.operation_id = head.operation_id.take().map(|name| name + "_head");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::http::ENDPOINTS;

    fn described() -> Value {
        serde_json::to_value(Api::openapi()).unwrap()
    }

    #[test]
    fn every_route_is_described_and_no_other() {
        let registered: BTreeSet<(String, String)> = ENDPOINTS
            .iter()
            .flat_map(|endpoint| endpoint.paths.iter().map(move |path| (path, endpoint.methods)))
            // An old name is not described.
            .filter(|(path, _)| **path != "/heard")
            .flat_map(|(path, methods)| methods.iter().map(move |method| (path, method)))
            .map(|(path, method)| (with_one_slash(path), method.as_str().to_lowercase()))
            .collect();
        let described: BTreeSet<(String, String)> = described()["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone()))
            })
            .collect();
        assert_eq!(described, registered);
    }

    /// `/health` and `/health/` are one route, and so are `` and `/`.
    fn with_one_slash(path: &str) -> String {
        format!("/{}", path.trim_matches('/'))
    }

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let described = described();
        let operations: Vec<&str> = described["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|item| item.as_object().unwrap().values())
            .map(|operation| operation["operationId"].as_str().unwrap())
            .collect();
        let distinct: BTreeSet<&&str> = operations.iter().collect();
        assert_eq!(distinct.len(), operations.len(), "{operations:?}");
    }

    #[test]
    fn the_description_is_the_one_people_have_seen() {
        let mut described = described();
        described["info"]["version"] = "[version]".into();
        insta::assert_json_snapshot!(described);
    }
}
