//! Files as a user writes them: what comes out, and what is said about those that are wrong. The
//! bytes are judged by decoding them with prost-reflect, which has no part in writing them.

use super::types::message;
use super::*;
use prost_reflect::{DynamicMessage, Value};
use std::fs;

fn decode(resource: &Resource) -> DynamicMessage {
    DynamicMessage::decode(message(&resource.type_url).unwrap(), &resource.value[..]).unwrap()
}

/// Follows names and indices: `endpoints.0.lb_endpoints`.
fn get(message: &DynamicMessage, path: &str) -> Value {
    path.split('.').fold(Value::Message(message.clone()), |value, step| match &value {
        Value::Message(message) => {
            message.get_field_by_name(step).unwrap_or_else(|| panic!("{step}")).into_owned()
        }
        Value::List(list) => list[step.parse::<usize>().unwrap()].clone(),
        other => panic!("{step} of {other:?}"),
    })
}

fn one(yaml: &str) -> DynamicMessage {
    let text = format!("resources:\n- {}\n", yaml.trim().replace('\n', "\n  "));
    let resources =
        parse("resources.yaml", text.as_bytes()).unwrap_or_else(|faults| panic!("{faults:?}"));
    decode(&resources[0])
}

fn faults(file: &str, text: &str) -> Vec<String> {
    parse(file, text.as_bytes()).unwrap_err().iter().map(ToString::to_string).collect()
}

const BUILTIN: &str = include_str!("../builtin.json");

#[test]
fn the_built_in_set() {
    let resources = parse("resources.json", BUILTIN.as_bytes()).unwrap();
    let names: Vec<_> = resources.iter().map(ToString::to_string).collect();
    let expected = [
        "Listener \"echo\"",
        "Listener \"ingress\"",
        "RouteConfiguration \"echo\"",
        "Cluster \"echo\"",
        "ClusterLoadAssignment \"echo\"",
    ];
    assert_eq!(names, expected);
    let port = get(
        &decode(&resources[4]),
        "endpoints.0.lb_endpoints.0.endpoint.address.socket_address.port_value",
    );
    assert_eq!(port, Value::U32(50051));
    assert_eq!(
        get(&decode(&resources[2]), "virtual_hosts.0.routes.0.route.timeout.seconds"),
        Value::I64(5)
    );

    let any = get(&decode(&resources[1]), "filter_chains.0.filters.0.typed_config");
    let any = any.as_message().unwrap();
    let manager = Resource {
        type_url: get(any, "type_url").as_str().unwrap().into(),
        name: String::new(),
        value: get(any, "value").as_bytes().unwrap().to_vec(),
    };
    let router = get(&decode(&manager), "http_filters.0.typed_config.type_url");
    assert_eq!(
        router.as_str(),
        Some("type.googleapis.com/envoy.extensions.filters.http.router.v3.Router")
    );
}

#[test]
fn json_and_yaml_give_the_same_bytes() {
    let yaml = "
resources:
- \"@type\": type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment
  clusterName: shop
  endpoints:
  - lbEndpoints:
    - endpoint: {address: {socketAddress: {address: 127.0.0.1, portValue: 80}}}
";
    let json = r#"{"resources":[{"endpoints":[{"lb_endpoints":[{"endpoint":{"address":{"socket_address":
        {"port_value":80,"address":"127.0.0.1"}}}}]}],"cluster_name":"shop",
        "@type":"type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"}]}"#;
    assert_eq!(parse("resources.yaml", yaml.as_bytes()), parse("resources.json", json.as_bytes()));
}

#[test]
fn every_kind_of_value() {
    let cluster = one(r#"
"@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
name: shop
type: EDS
connect_timeout: 0.25s
per_connection_buffer_limit_bytes: 32768
dns_lookup_family: 1
respect_dns_ttl: true
load_assignment: null
common_lb_config: {healthy_panic_threshold: {value: 12.5}}
circuit_breakers: {thresholds: [{max_connections: "7", track_remaining: false}]}
metadata:
  filter_metadata:
    b: {x: [1, true, null, {y: z}]}
    a: {}
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    explicit_http_config: {http2_protocol_options: {}}
"#);
    assert_eq!(get(&cluster, "type"), Value::EnumNumber(3));
    assert_eq!(get(&cluster, "dns_lookup_family"), Value::EnumNumber(1));
    assert_eq!(get(&cluster, "connect_timeout.nanos"), Value::I32(250_000_000));
    assert_eq!(get(&cluster, "per_connection_buffer_limit_bytes.value"), Value::U32(32_768));
    assert_eq!(get(&cluster, "respect_dns_ttl"), Value::Bool(true));
    assert!(!cluster.has_field_by_name("load_assignment"));
    assert_eq!(get(&cluster, "common_lb_config.healthy_panic_threshold.value"), Value::F64(12.5));
    assert_eq!(get(&cluster, "circuit_breakers.thresholds.0.max_connections.value"), Value::U32(7));
    let metadata = get(&cluster, "metadata.filter_metadata");
    let metadata = metadata.as_map().unwrap();
    let b = metadata[&prost_reflect::MapKey::String("b".into())].as_message().unwrap();
    let fields = get(b, "fields");
    let x = &fields.as_map().unwrap()[&prost_reflect::MapKey::String("x".into())];
    let x = x.as_message().unwrap();
    assert_eq!(get(x, "list_value.values.0.number_value"), Value::F64(1.0));
    assert_eq!(get(x, "list_value.values.1.bool_value"), Value::Bool(true));
    let null = get(x, "list_value.values.2");
    assert!(null.as_message().unwrap().has_field_by_name("null_value"));
    let options = get(&cluster, "typed_extension_protocol_options");
    assert_eq!(options.as_map().unwrap().len(), 1);
}

#[test]
fn bytes_wrapped_any_and_time() {
    let secret = one(r#"
"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
name: key
generic_secret: {secret: {inline_bytes: "-_8"}}
"#);
    assert_eq!(
        get(&secret, "generic_secret.secret.inline_bytes"),
        Value::Bytes(vec![0xfb, 0xff].into())
    );
    let extension = one(r#"
"@type": type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig
name: wrapped
typed_config: {"@type": type.googleapis.com/google.protobuf.Duration, value: 3s}
"#);
    assert_eq!(get(&extension, "typed_config.value"), Value::Bytes(vec![8, 3].into()));
}

#[test]
fn the_same_text_gives_the_same_bytes() {
    let layer: String = (0..50).map(|n| format!("\"k{n}\": {n},")).collect();
    let text = format!(
        "{{\"resources\":[{{\"@type\":\"type.googleapis.com/envoy.service.runtime.v3.Runtime\",\"name\":\"r\",
        \"layer\":{{{}}}}}]}}",
        layer.trim_end_matches(',')
    );
    assert_eq!(parse("resources.json", text.as_bytes()), parse("resources.json", text.as_bytes()));
}

#[test]
fn all_that_is_wrong_is_said_with_its_place() {
    let text = r#"{"resources": [
  {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "a",
   "nmae": 1, "type": "EDDS",
   "connect_timeout": "1 s"},
  {"@type": "type.googleapis.com/envoy.config.cluster.v3.Clutter", "name": "b"},
  {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": ""},
  {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "c"},
  {"name": "c"},
  {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
   "name": "c"},
  {"@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name": "e",
   "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": 7},
     "socket_address": {"port_value": -1}}}}]}]},
  {"@type": "type.googleapis.com/envoy.config.core.v3.Address"},
  7
], "resource": []}"#;
    let found = faults("resources.json", text);
    let expected = [
        "3:4: Cluster \"a\": envoy.config.cluster.v3.Cluster has no field \"nmae\"",
        "3:23: Cluster \"a\", type: \"EDDS\" is none of STATIC, STRICT_DNS, LOGICAL_DNS, EDS, ORIGINAL_DST",
        "4:23: Cluster \"a\", connect_timeout: expected a duration such as \"1.5s\", found \"1 s\"",
        "5:13: resources[1]: unknown type \"type.googleapis.com/envoy.config.cluster.v3.Clutter\"",
        "6:76: resources[2]: no \"name\"",
        "8:3: resources[4]: no \"@type\"",
        "10:12: Cluster \"c\": for the second time, the first is at 7:76",
        "12:79: ClusterLoadAssignment \"e\", endpoints[0].lb_endpoints[0].endpoint.address.pipe.path: \
            expected a string (quoted), found 7",
        "13:6: ClusterLoadAssignment \"e\", endpoints[0].lb_endpoints[0].endpoint.address: only one of \
            \"pipe\" and \"socket_address\" can be set (address)",
        "13:39: ClusterLoadAssignment \"e\", endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value: \
            -1 is out of range",
        "14:13: resources[7]: envoy.config.core.v3.Address has no name: it is no resource",
        "15:3: resources[8]: expected a resource, an object with \"@type\", found 7",
        "16:4: unknown field \"resource\" beside \"resources\"",
    ];
    assert_eq!(found, expected, "{found:#?}");
}

#[test]
fn a_field_under_both_its_names_is_twice_the_same() {
    let text = r#"{"resources": [{"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "a",
 "connect_timeout": "1s", "connectTimeout": "2s"}]}"#;
    let expected =
        "2:27: Cluster \"a\": \"connectTimeout\" for the second time, the first is at 2:2";
    assert_eq!(faults("resources.json", text), [expected]);
}

#[test]
fn what_is_no_list_of_resources() {
    for (text, expected) in [
        ("[]", "1:1: expected {\"resources\": [...]}, found a list"),
        ("{}", "1:1: no \"resources\""),
        ("{\"resources\": {}}", "1:15: expected a list of resources, found an object"),
    ] {
        assert_eq!(faults("resources.json", text), [expected], "{text}");
    }
    assert_eq!(
        parse("resources.json", b"{\"version_info\": \"1\", \"resources\": []}"),
        Ok(vec![])
    );
    assert!(parse("resources.json", &[b'{', 0xff]).unwrap_err()[0].what.starts_with("not UTF-8"));
}

#[test]
fn exact_bytes_pass_through() {
    let text = r#"{"resources": [{"type_url": "type.googleapis.com/acme.Thing", "name": "x", "value": "AAH/"}]}"#;
    let resources = parse("resources.b64.json", text.as_bytes()).unwrap();
    assert_eq!(resources[0].value, [0, 1, 255]);

    let text = r#"{"resources": [{"type_url": "Thing", "name": "", "value": "?", "more": 1}, {"name": 7}]}"#;
    let expected = [
        "1:29: resources[0], type_url: expected a type URL such as \"type.googleapis.com/...\", found \"Thing\"",
        "1:46: resources[0], name: an empty name",
        "1:59: resources[0], value: not base64: Invalid symbol 63, offset 0.",
        "1:64: resources[0]: unknown field \"more\"",
        "1:76: resources[1]: no \"type_url\"",
        "1:76: resources[1]: no \"value\"",
        "1:85: resources[1], name: expected a string, found 7",
    ];
    let found = faults("resources.b64.json", text);
    assert_eq!(found, expected, "{found:#?}");
}

#[test]
fn exact_bytes_take_precedence() {
    let dir = std::env::temp_dir().join(format!("pushlane-find-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    assert_eq!(find(&dir).unwrap(), None);
    for file in FILES.iter().rev() {
        fs::write(dir.join(file), file).unwrap();
        assert_eq!(find(&dir).unwrap(), Some((*file, file.as_bytes().to_vec())));
    }
    fs::remove_dir_all(&dir).unwrap();
}
