//! What every account starts with: object types, their main properties, and the associations between them
//! (CONTRACT 1, 3.2, 3.7, 8).
//!
//! Not here: the hundreds of properties that HubSpot keeps for its own analytics; quotes, lists and forms.

/// What a new record of a type needs.
#[derive(Debug, Clone)]
pub(super) enum Needs {
    /// Every one of these properties.
    All(Vec<String>),
    /// Every one of these.
    Each(&'static [&'static str]),
    /// At least one of these.
    OneOf(&'static [&'static str]),
}

/// An object type that every account has.
pub(super) struct Standard {
    pub(super) id: &'static str,
    pub(super) singular: &'static str,
    pub(super) plural: &'static str,
    /// What a read shows where nobody asks for properties, beside the times and the id.
    pub(super) usual: &'static [&'static str],
    pub(super) needs: Needs,
    /// `name`, `name:type` or `name:enumeration(value|value)`; a name alone is a text.
    pub(super) properties: &'static str,
}

/// An activity stands in the feed of the records that it is linked to.
const ACTIVITY: &[&str] = &["hs_timestamp"];

pub(super) const STANDARD: [Standard; 12] = [
    Standard {
        id: "0-1",
        singular: "contact",
        plural: "contacts",
        usual: &["email", "firstname", "lastname"],
        needs: Needs::OneOf(&["email", "firstname", "lastname"]),
        properties: "email firstname lastname phone mobilephone fax company jobtitle website salutation address city state \
            zip country hubspot_owner_id annualrevenue date_of_birth industry \
            hs_lead_status:enumeration(NEW|OPEN|IN_PROGRESS|OPEN_DEAL|UNQUALIFIED|ATTEMPTED_TO_CONTACT|CONNECTED|BAD_TIMING) \
            closedate:datetime hs_language",
    },
    Standard {
        id: "0-2",
        singular: "company",
        plural: "companies",
        usual: &["name", "domain"],
        needs: Needs::OneOf(&["name", "domain"]),
        properties: "name domain phone website address address2 city state zip country description hubspot_owner_id timezone \
            industry:enumeration(ACCOUNTING|AUTOMOTIVE|BANKING|BIOTECHNOLOGY|COMPUTER_SOFTWARE|CONSUMER_ELECTRONICS|EDUCATION_MANAGEMENT|ELECTRICAL_ELECTRONIC_MANUFACTURING|FINANCIAL_SERVICES|HEALTH_WELLNESS_AND_FITNESS|HOSPITAL_HEALTH_CARE|INFORMATION_TECHNOLOGY_AND_SERVICES|INSURANCE|INTERNET|MANAGEMENT_CONSULTING|MEDICAL_DEVICES|PHARMACEUTICALS|RETAIL|SPORTS|TELECOMMUNICATIONS) \
            numberofemployees:number annualrevenue:number founded_year \
            type:enumeration(PROSPECT|PARTNER|RESELLER|VENDOR|OTHER) closedate:datetime",
    },
    Standard {
        id: "0-3",
        singular: "deal",
        plural: "deals",
        usual: &["dealname", "amount", "closedate", "pipeline", "dealstage"],
        needs: Needs::Each(&["dealname", "dealstage"]),
        properties: "dealname pipeline dealstage:enumeration amount:number closedate:datetime hubspot_owner_id description \
            dealtype:enumeration(newbusiness|existingbusiness) deal_currency_code hs_priority:enumeration(low|medium|high) \
            closed_lost_reason closed_won_reason",
    },
    Standard {
        id: "0-5",
        singular: "ticket",
        plural: "tickets",
        usual: &["subject", "content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_category", "hs_ticket_priority"],
        needs: Needs::Each(&["subject", "hs_pipeline", "hs_pipeline_stage"]),
        properties: "subject content hs_pipeline hs_pipeline_stage:enumeration hubspot_owner_id \
            hs_ticket_priority:enumeration(LOW|MEDIUM|HIGH|URGENT) \
            hs_ticket_category:enumeration(PRODUCT_ISSUE|BILLING_ISSUE|FEATURE_REQUEST|GENERAL_INQUIRY) \
            source_type:enumeration(CHAT|EMAIL|FORM|PHONE) hs_resolution",
    },
    Standard {
        id: "0-7",
        singular: "product",
        plural: "products",
        usual: &["name", "description", "price"],
        needs: Needs::Each(&[]),
        properties: "name description price:number hs_sku hs_cost_of_goods_sold:number hs_url hs_images \
            recurringbillingfrequency:enumeration(weekly|biweekly|monthly|quarterly|per_six_months|annually|per_two_years|per_three_years) \
            hs_recurring_billing_period tax:number hs_product_type:enumeration(inventory|non_inventory|service)",
    },
    Standard {
        id: "0-8",
        singular: "line_item",
        plural: "line_items",
        usual: &["hs_product_id", "quantity"],
        needs: Needs::Each(&[]),
        properties: "name description price:number quantity:number amount:number hs_product_id hs_sku discount:number \
            hs_discount_percentage:number tax:number hs_line_item_currency_code hs_recurring_billing_period \
            recurringbillingfrequency:enumeration(weekly|biweekly|monthly|quarterly|per_six_months|annually|per_two_years|per_three_years)",
    },
    Standard {
        id: "0-18",
        singular: "communication",
        plural: "communications",
        usual: &[],
        needs: Needs::Each(ACTIVITY),
        properties: "hs_timestamp:datetime hs_communication_body hubspot_owner_id hs_communication_logged_from \
            hs_communication_channel_type:enumeration(WHATS_APP|LINKEDIN_MESSAGE|SMS)",
    },
    Standard {
        id: "0-27",
        singular: "task",
        plural: "tasks",
        usual: &[],
        needs: Needs::Each(ACTIVITY),
        properties: "hs_timestamp:datetime hs_task_body hs_task_subject hubspot_owner_id \
            hs_task_status:enumeration(NOT_STARTED|IN_PROGRESS|WAITING|COMPLETED|DEFERRED) \
            hs_task_priority:enumeration(NONE|LOW|MEDIUM|HIGH) hs_task_type:enumeration(CALL|EMAIL|LINKED_IN|MEETING|TODO)",
    },
    Standard {
        id: "0-46",
        singular: "note",
        plural: "notes",
        usual: &[],
        needs: Needs::Each(ACTIVITY),
        properties: "hs_timestamp:datetime hs_note_body hubspot_owner_id hs_attachment_ids",
    },
    Standard {
        id: "0-47",
        singular: "meeting",
        plural: "meetings",
        usual: &[],
        needs: Needs::OneOf(&["hs_timestamp", "hs_meeting_start_time"]),
        properties: "hs_timestamp:datetime hs_meeting_title hs_meeting_body hs_meeting_location hubspot_owner_id \
            hs_internal_meeting_notes hs_meeting_external_url hs_meeting_start_time:datetime hs_meeting_end_time:datetime \
            hs_meeting_outcome:enumeration(SCHEDULED|COMPLETED|RESCHEDULED|NO_SHOW|CANCELED) hs_activity_type",
    },
    Standard {
        id: "0-48",
        singular: "call",
        plural: "calls",
        usual: &[],
        needs: Needs::Each(ACTIVITY),
        properties: "hs_timestamp:datetime hs_call_title hs_call_body hs_call_duration:number hs_call_from_number \
            hs_call_to_number hs_call_recording_url hubspot_owner_id hs_call_disposition hs_activity_type \
            hs_call_direction:enumeration(INBOUND|OUTBOUND) \
            hs_call_status:enumeration(BUSY|CALLING_CRM_USER|CANCELED|COMPLETED|CONNECTING|FAILED|IN_PROGRESS|NO_ANSWER|QUEUED|RINGING)",
    },
    Standard {
        id: "0-49",
        singular: "email",
        plural: "emails",
        usual: &[],
        needs: Needs::Each(&["hs_timestamp", "hs_email_direction"]),
        properties: "hs_timestamp:datetime hs_email_subject hs_email_text hs_email_html hs_email_headers hubspot_owner_id \
            hs_email_direction:enumeration(EMAIL|INCOMING_EMAIL|FORWARDED_EMAIL) \
            hs_email_status:enumeration(BOUNCED|FAILED|SCHEDULED|SENDING|SENT)",
    },
];

/// A kind of association between two types: from, to, type there, type back.
pub(super) type Pair = (&'static str, &'static str, i64, i64);

/// The plain associations.
pub(super) const PLAIN: [Pair; 35] = [
    ("0-1", "0-2", 279, 280),
    ("0-1", "0-3", 4, 3),
    ("0-3", "0-2", 341, 342),
    ("0-1", "0-5", 15, 16),
    ("0-5", "0-2", 339, 340),
    ("0-3", "0-5", 27, 28),
    ("0-3", "0-8", 19, 20),
    ("0-46", "0-1", 202, 201),
    ("0-46", "0-2", 190, 189),
    ("0-46", "0-3", 214, 213),
    ("0-46", "0-5", 228, 227),
    ("0-48", "0-1", 194, 193),
    ("0-48", "0-2", 182, 181),
    ("0-48", "0-3", 206, 205),
    ("0-48", "0-5", 220, 219),
    ("0-49", "0-1", 198, 197),
    ("0-49", "0-2", 186, 185),
    ("0-49", "0-3", 210, 209),
    ("0-49", "0-5", 224, 223),
    ("0-47", "0-1", 200, 199),
    ("0-47", "0-2", 188, 187),
    ("0-47", "0-3", 212, 211),
    ("0-47", "0-5", 226, 225),
    ("0-27", "0-1", 204, 203),
    ("0-27", "0-2", 192, 191),
    ("0-27", "0-3", 216, 215),
    ("0-27", "0-5", 230, 229),
    ("0-18", "0-1", 81, 82),
    ("0-18", "0-2", 87, 88),
    ("0-18", "0-3", 85, 86),
    ("0-18", "0-5", 83, 84),
    ("0-1", "0-1", 449, 449),
    ("0-2", "0-2", 450, 450),
    ("0-3", "0-3", 451, 451),
    ("0-5", "0-5", 452, 452),
];

/// The associations of primary companies.
pub(super) const PRIMARY: [Pair; 3] = [("0-1", "0-2", 1, 2), ("0-3", "0-2", 5, 6), ("0-5", "0-2", 26, 25)];
