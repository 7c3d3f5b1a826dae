//! Asks an account with patience: what may pass is asked again a few times, and everybody sees that it is.

use std::time::Duration;

use connectors::hubspot::HubSpot;
use connectors::hubspot::setup::plan::Account;
use connectors::hubspot::setup::{Identity, Trouble};

/// How often something is asked.
const TRIES: u32 = 5;
/// The longest wait before asking again; an account that wants a longer one is told as it is.
const LONGEST: Duration = Duration::from_secs(30);

/// Asks, and asks again where that may help.
///
/// # Errors
/// The last answer.
pub(super) async fn patiently<T>(mut ask: impl AsyncFnMut() -> Result<T, Trouble>) -> Result<T, Trouble> {
    let mut tried = 0;
    loop {
        tried += 1;
        match ask().await {
            Err(Trouble::Later { after, reason }) => {
                let wait = after.unwrap_or(Duration::from_millis(500) * 2u32.pow(tried));
                if tried >= TRIES || wait > LONGEST {
                    return Err(Trouble::Later { after, reason });
                }
                eprintln!("engine: {reason}; asked again in {} ms", wait.as_millis());
                tokio::time::sleep(wait).await;
            }
            answered => return answered,
        }
    }
}

/// What the account has of these entities. One that it does not show is a finding, not the end.
///
/// # Errors
/// Where it stops answering.
pub(super) async fn read<'a>(
    hubspot: &HubSpot,
    entities: impl Iterator<Item = &'a String>,
    identity: &Identity,
) -> Result<Account, Trouble> {
    let mut account = Account { scopes: identity.scopes.clone(), ..Account::default() };
    for entity in entities {
        match patiently(async || hubspot.holding(entity).await).await {
            Ok(holding) => {
                account.entities.extend(holding.map(|holding| (entity.clone(), Ok(holding))));
            }
            Err(Trouble::Refused(reason) | Trouble::Exists(reason)) => {
                account.entities.insert(entity.clone(), Err(reason));
            }
            Err(later) => return Err(later),
        }
    }
    Ok(account)
}
