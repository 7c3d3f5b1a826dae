//! The target of a request, written as other clients than ours write it.

use serde_json::json;

use super::{CONTACTS, World};

#[test]
fn a_list_is_read_with_commas_and_from_repeated_parameters() {
    let mut world = World::new();
    let ada = world.contact(&json!({"firstname": "Ada", "phone": "1", "jobtitle": "Countess"}));
    let grace = world.post(super::COMPANIES, &json!({"properties": {"name": "Engines"}})).1["id"].clone();
    let link = format!("/crm/v4/objects/contacts/{ada}/associations/default/companies/{}", grace.as_str().unwrap());
    assert_eq!(world.call("PUT", &link, &json!(null)).0, 200);
    for query in ["properties=phone,jobtitle", "properties=phone&properties=jobtitle", "properties=phone%2Cjobtitle"] {
        for path in [format!("{CONTACTS}/{ada}?{query}"), format!("{CONTACTS}?{query}")] {
            let body = world.get(&path).1;
            let shown = body["results"].get(0).unwrap_or(&body);
            assert_eq!(
                (&shown["properties"]["phone"], &shown["properties"]["jobtitle"]),
                (&json!("1"), &json!("Countess"))
            );
            assert_eq!(shown["properties"].get("firstname"), None, "{path} asks for others");
        }
    }
    let query = "propertiesWithHistory=phone&propertiesWithHistory=jobtitle&associations=deals&associations=companies";
    let read = world.get(&format!("{CONTACTS}/{ada}?{query}")).1;
    let history: Vec<&String> = read["propertiesWithHistory"].as_object().unwrap().keys().collect();
    assert_eq!(history, ["jobtitle", "phone"]);
    assert_eq!(read["associations"]["companies"]["results"][0]["id"], grace);
}

#[test]
fn a_path_is_read_without_its_escapes() {
    let mut world = World::new();
    let ada = world.contact(&json!({"email": "ada+1@example.com"}));
    for address in ["ada%2B1%40example.com", "ada+1@example.com", "ADA%2b1%40EXAMPLE.com"] {
        let path = format!("{CONTACTS}/{address}?idProperty=email");
        assert_eq!(world.get(&path).1["id"], json!(ada), "{address}");
        assert_eq!(world.call("PATCH", &path, &json!({"properties": {"phone": address}})).1["id"], json!(ada));
    }
    let reference = json!({"name": "reference", "label": "Reference", "type": "string", "fieldType": "text",
                           "groupName": "contactinformation", "hasUniqueValue": true});
    assert_eq!(world.post("/crm/v3/properties/contacts", &reference).0, 201);
    let grace = world.contact(&json!({"firstname": "Grace", "reference": "a/b c?d&e é"}));
    let path = format!("{CONTACTS}/a%2Fb%20c%3Fd%26e%20%C3%A9?idProperty=reference");
    assert_eq!(world.get(&path).1["id"], json!(grace), "an escaped slash ends no segment");
}

#[test]
fn a_flag_is_read_in_any_case() {
    let mut world = World::new();
    let ada = world.contact(&json!({"firstname": "Ada"}));
    assert_eq!(world.call("DELETE", &format!("{CONTACTS}/{ada}"), &json!(null)).0, 204);
    for flag in ["true", "True", "TRUE"] {
        assert_eq!(world.get(&format!("{CONTACTS}/{ada}?archived={flag}")).1["archived"], true, "{flag}");
        assert_eq!(world.get(&format!("{CONTACTS}?archived={flag}")).1["results"][0]["id"], json!(ada), "{flag}");
    }
    for flag in ["false", "False", ""] {
        assert_eq!(world.get(&format!("{CONTACTS}/{ada}?archived={flag}")).0, 404, "{flag}");
    }
}
