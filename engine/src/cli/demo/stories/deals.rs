//! Deals and what follows from their stages.

use dsl::value::Value;
use serde_json::json;

use super::{ARRIVAL_TIMEOUT_SECONDS, Cast, begin, end};
use crate::cli::demo::Failed;
use crate::cli::demo::report::Report;
use crate::cli::demo::stage::Stage;

/// A subscription, and what the rules make of it.
struct Sale {
    customer: usize,
    plan: &'static str,
    price: &'static str,
    probability: &'static str,
    owner: &'static str,
    subscription: String,
    deal: u64,
}

pub(super) async fn tell(stage: &mut Stage, report: &mut Report, cast: &Cast) -> Result<(), Failed> {
    let sales = subscribe(stage, report, cast).await?;
    let [first, second, third] = &sales;
    negotiation(stage, report, first).await?;
    won(stage, report, cast, second).await?;
    won_in_crm(stage, report, cast).await?;
    lost(stage, report, cast, third).await
}

/// The address at which a customer is written to.
fn address(stage: &Stage, cast: &Cast, n: usize) -> String {
    stage.user(cast, n, "email")
}

async fn subscribe(stage: &mut Stage, report: &mut Report, cast: &Cast) -> Result<[Sale; 3], Failed> {
    begin(
        stage,
        report,
        "a subscription becomes a deal",
        "Three customers subscribe. Each gets a deal, with the chance of its plan and the owner of its region.",
    );
    let sale = |customer, plan, price, probability, owner| Sale {
        customer,
        plan,
        price,
        probability,
        owner,
        subscription: String::new(),
        deal: 0,
    };
    // The third customer has no region: the sales desk owns the deal.
    let mut sales = [
        sale(51, "pro", "49.00", "0.6", "101"),
        sale(52, "starter", "19.90", "0.4", "103"),
        sale(53, "enterprise", "900.00", "0.8", "102"),
    ];
    for sale in &mut sales {
        let start = stage.now().to_string();
        let user = &cast.users[sale.customer];
        let values = json!({"user": {"id": user}, "plan": sale.plan, "price": sale.price, "startDate": start});
        sale.subscription = stage.make_in_app("Subscription", values)?;
    }
    let both = |s: &Stage, sale: &Sale| {
        let deal = s.crm().find("Deal", "source_subscription_id", &sale.subscription).map(|deal| deal.id);
        deal.filter(|deal| s.app().find("Deal", "crmId", &deal.to_string()).is_some())
    };
    stage.until(ARRIVAL_TIMEOUT_SECONDS, |s| sales.iter().all(|sale| both(s, sale).is_some())).await;
    let mut wrong = Vec::new();
    for sale in &mut sales {
        let Some(deal) = both(stage, sale) else {
            wrong.push(format!("the {} subscription has no deal on both sides", sale.plan));
            continue;
        };
        sale.deal = deal;
        let field = |name: &str| stage.read("crm", "Deal", &deal.to_string(), name);
        let n = sale.customer;
        let number = |text: &str| text.parse().map_or(Value::Empty, Value::decimal);
        let expected = [
            ("dealname", Value::text(format!("First{n} Last{n} - {}", sale.plan))),
            ("dealstage", Value::text("qualification")),
            ("amount", number(sale.price)),
            ("probability", number(sale.probability)),
            ("closedate", stage.read("app", "Subscription", &sale.subscription, "startDate")),
            ("hubspot_owner_id", Value::text(sale.owner)),
        ];
        let other = expected.into_iter().filter(|(name, value)| field(name) != *value);
        wrong.extend(other.map(|(name, value)| format!("{name} is `{}` instead of `{value}`", field(name))));
        let contact = stage.crm().linked("Deal", deal, "Contact");
        if contact != [cast.contacts[n]] {
            wrong.push(format!("the {} deal is on the contacts {contact:?}", sale.plan));
        }
    }
    let ok = wrong.is_empty();
    let detail = if ok {
        "3 deals, each with its name, stage, amount, chance (60, 40 and 80 %), close date, owner and contact".to_owned()
    } else {
        wrong.join("; ")
    };
    end(stage, report, ok, detail);
    Ok(sales)
}

async fn negotiation(stage: &mut Stage, report: &mut Report, sale: &Sale) -> Result<(), Failed> {
    begin(
        stage,
        report,
        "negotiation",
        "A deal goes into negotiation in HubSpot: the sales manager is told, and the app follows.",
    );
    stage.expect("/notify", "sales-manager", "sales-lead@example.com");
    stage.edit_in_crm("Deal", sale.deal, &[("dealstage", "decisionmakerboughtin")])?;
    let state = |s: &Stage| {
        let stage_in_app = s.read("app", "Subscription", &sale.subscription, "stage").to_string();
        (s.mail().sent_to("/notify").count(), stage_in_app)
    };
    let ok = stage.until(ARRIVAL_TIMEOUT_SECONDS, |s| state(s) == (1, "negotiation".to_owned())).await;
    let (notices, now) = state(stage);
    end(stage, report, ok, format!("{notices} notice to the sales manager; the subscription in the app says {now}"));
    Ok(())
}

async fn won(stage: &mut Stage, report: &mut Report, cast: &Cast, sale: &Sale) -> Result<(), Failed> {
    begin(
        stage,
        report,
        "closed won",
        "Another deal is won: its subscription is activated, and the customer's onboarding begins.",
    );
    let to = address(stage, cast, sale.customer);
    stage.expect("/send", "welcome", &to);
    stage.expect("activateSubscription", "", &sale.subscription);
    stage.edit_in_crm("Deal", sale.deal, &[("dealstage", "closedwon")])?;
    let state = |s: &Stage| {
        let status = s.read("app", "Subscription", &sale.subscription, "status").to_string();
        let account = s.app().find("Account", "subscriptionId", &sale.subscription).is_some();
        (status, welcomed(s, &to), account, s.app().count("Subscription"), s.crm().records("Deal").count())
    };
    let wanted = ("active".to_owned(), 1, true, 3, 3);
    let ok = stage.until(ARRIVAL_TIMEOUT_SECONDS, |s| state(s) == wanted).await;
    let (status, welcomes, account, subscriptions, deals) = state(stage);
    let account = if account { "an account" } else { "no account" };
    let detail = format!("the subscription is {status}; {welcomes} welcome e-mail, {account}");
    let detail = if (subscriptions, deals) == (3, 3) {
        format!("{detail}, no second deal")
    } else {
        format!("{detail}; {subscriptions} subscriptions and {deals} deals instead of 3")
    };
    end(stage, report, ok, detail);
    Ok(())
}

fn welcomed(stage: &Stage, to: &str) -> usize {
    stage.mail().sent_to("/send").filter(|mail| mail.body["template"] == "welcome" && mail.body["to"] == to).count()
}

async fn won_in_crm(stage: &mut Stage, report: &mut Report, cast: &Cast) -> Result<(), Failed> {
    begin(
        stage,
        report,
        "closed won, without a subscription",
        "A deal that sales made in HubSpot is won: its customer gets a subscription.",
    );
    let customer = 54;
    let to = address(stage, cast, customer);
    let values = [
        ("dealname", "Walk-in - pro"),
        ("dealstage", "presentationscheduled"),
        ("amount", "45.00"),
        ("subscription_plan", "pro"),
        ("hubspot_owner_id", "102"),
        ("closedate", "2026-12-01T09:00:00.000Z"),
    ];
    let deal = stage.make_in_crm("Deal", &values)?;
    stage.put_contact("Deal", deal, cast.contacts[customer]);
    let key = deal.to_string();
    let in_app = |s: &Stage| s.app().find("Deal", "crmId", &key).is_some();
    if !stage.until(ARRIVAL_TIMEOUT_SECONDS, in_app).await {
        end(stage, report, false, "the deal did not arrive in the app".to_owned());
        return Ok(());
    }
    stage.expect("/send", "welcome", &to);
    stage.edit_in_crm("Deal", deal, &[("dealstage", "closedwon")])?;
    let made =
        |s: &Stage| s.app().find("Subscription", "dealId", &key).and_then(|r| r["id"].as_str().map(str::to_owned));
    let state = |s: &Stage| {
        let id = made(s).unwrap_or_default();
        let field = |name: &str| s.read("app", "Subscription", &id, name).to_string();
        let user = s.app().record("Subscription", &id).and_then(|r| r["user"]["id"].as_str().map(str::to_owned));
        let account = s.app().find("Account", "subscriptionId", &id).is_some();
        let own = user.as_ref() == Some(&cast.users[customer]);
        ([field("plan"), field("price"), field("status")], own, welcomed(s, &to), account)
    };
    let wanted = (["pro", "45", "active"].map(str::to_owned), true, 1, true);
    let ok = stage.until(ARRIVAL_TIMEOUT_SECONDS, |s| state(s) == wanted).await;
    // The id by which the effect is expected is known only now.
    if let Some(id) = made(stage) {
        stage.expect("activateSubscription", "", &id);
    }
    let ([plan, price, status], own, welcomes, account) = state(stage);
    let whose = if own { "the customer's" } else { "nobody's" };
    let account = if account { "an account" } else { "no account" };
    let detail = match made(stage) {
        Some(_) => format!(
            "a new subscription: {whose}, plan {plan}, price {price}, {status}; {welcomes} welcome e-mail, {account}"
        ),
        None => "no subscription was made".to_owned(),
    };
    end(stage, report, ok, detail);
    Ok(())
}

async fn lost(stage: &mut Stage, report: &mut Report, cast: &Cast, sale: &Sale) -> Result<(), Failed> {
    begin(
        stage,
        report,
        "closed lost",
        "A deal is lost: its subscription is cancelled, and the customer is asked why.",
    );
    let to = stage.contact(cast, sale.customer, "email");
    stage.expect("/survey", "closed-lost", &to);
    stage.expect("cancelSubscription", "", &sale.subscription);
    stage.edit_in_crm("Deal", sale.deal, &[("dealstage", "closedlost")])?;
    let state = |s: &Stage| {
        let status = s.read("app", "Subscription", &sale.subscription, "status").to_string();
        (status, s.mail().sent_to("/survey").count())
    };
    let ok = stage.until(ARRIVAL_TIMEOUT_SECONDS, |s| state(s) == ("cancelled".to_owned(), 1)).await;
    let (status, surveys) = state(stage);
    end(stage, report, ok, format!("the subscription is {status}; {surveys} survey to {to}"));
    Ok(())
}
