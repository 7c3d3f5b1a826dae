//! What the account says of itself: `/account-info/…`.

use dsl::value::Timestamp;
use serde_json::json;

use super::HubSpot;
use super::limits::DAY;
use super::reply::{Answer, no_route};

impl HubSpot {
    pub(super) fn account_routes(&self, rest: &[&str], now: Timestamp) -> Answer {
        match rest {
            [_, "details"] => (
                200,
                json!({"portalId": self.settings.portal_id, "accountType": "STANDARD", "timeZone": "UTC",
                       "companyCurrency": "EUR", "additionalCurrencies": [], "utcOffset": "+00:00",
                       "utcOffsetMilliseconds": 0, "uiDomain": "app.hubspot.com", "dataHostingLocation": "na1"}),
            ),
            [_, "api-usage", "daily", "private-apps"] => {
                let midnight = Timestamp((now.0.div_euclid(DAY) + 1) * DAY);
                let usage = json!({"name": "private-apps-api-calls-daily", "usageLimit": self.daily,
                                   "currentUsage": self.calls_today(), "collectedAt": now.to_string(),
                                   "fetchStatus": "SUCCESS", "resetsAt": midnight.to_string()});
                (200, json!({"results": [usage]}))
            }
            _ => no_route(),
        }
    }
}
