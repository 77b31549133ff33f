"""Fields of opportunities, their contact roles, campaigns and cases.

Opportunities, roles and cases follow recorded describe results; no recording of campaigns was at hand, so those are
the documented standard fields (unverified in detail).
"""

OPPORTUNITY = """
    Id id(18) di
    IsDeleted boolean d
    AccountId reference(18) cun > Account as Account
    IsPrivate boolean cud
    Name string(120) cuim
    Description textarea(32000) cun
    StageName picklist(255) cu = Prospecting|Qualification|Needs Analysis|Value Proposition|Id. Decision Makers
        |Perception Analysis|Proposal/Price Quote|Negotiation/Review|Closed Won|Closed Lost
    Amount currency(18.2) cun
    Probability percent(3.0) cund
    ExpectedRevenue currency(18.2) n
    CloseDate date cu
    Type picklist(255) cun = Existing Customer - Upgrade|Existing Customer - Replacement
        |Existing Customer - Downgrade|New Customer
    NextStep string(255) cun
    LeadSource picklist(255) cun = Web|Phone Inquiry|Partner Referral|Purchased List|Other
    IsClosed boolean d
    IsWon boolean d
    ForecastCategoryName picklist(255) cundr = Omitted|Pipeline|Best Case|Commit|Closed
    CampaignId reference(18) cun > Campaign as Campaign
    @owner
    CreatedDate datetime d
    CreatedById reference(18) d > User as CreatedBy
    LastModifiedDate datetime d
    LastModifiedById reference(18) d > User as LastModifiedBy
    SystemModstamp datetime d
    LastStageChangeDate datetime n
    ContactId reference(18) cn > Contact
    LastActivityDate date n
    @viewed
    Hub_Id__c string(36) cunxiq
"""

OPPORTUNITY_CONTACT_ROLE = """
    Id id(18) di
    OpportunityId reference(18) c > Opportunity as Opportunity
    ContactId reference(18) cu > Contact as Contact
    Role picklist(40) cun = Business User|Decision Maker|Economic Buyer|Economic Decision Maker|Evaluator
        |Executive Sponsor|Influencer|Technical Buyer|Other
    IsPrimary boolean cud
    CreatedDate datetime d
    CreatedById reference(18) d > User as CreatedBy
    LastModifiedDate datetime d
    LastModifiedById reference(18) d > User as LastModifiedBy
    SystemModstamp datetime d
    IsDeleted boolean d
"""

CAMPAIGN = """
    @system
    Name string(80) cum
    ParentId reference(18) cun > Campaign as Parent
    Type picklist(40) cun = Conference|Webinar|Trade Show|Email|Direct Mail|Other
    Status picklist(40) cun = Planned|In Progress|Completed|Aborted
    StartDate date cun
    EndDate date cun
    ExpectedRevenue currency(18.2) cun
    BudgetedCost currency(18.2) cun
    ActualCost currency(18.2) cun
    IsActive boolean cud
    Description textarea(32000) cun
    NumberOfContacts int nf
    @owner
    LastActivityDate date n
    @viewed
    Hub_Id__c string(36) cunxiq
"""

CAMPAIGN_MEMBER = """
    Id id(18) di
    IsDeleted boolean d
    CampaignId reference(18) c > Campaign as Campaign
    LeadId reference(18) cn > Lead as Lead
    ContactId reference(18) cn > Contact as Contact
    Status picklist(40) cun = Sent|Responded|Opened|Clicked|Attended
    HasResponded boolean d
    FirstRespondedDate date n
    CreatedDate datetime d
    CreatedById reference(18) d > User as CreatedBy
    LastModifiedDate datetime d
    LastModifiedById reference(18) d > User as LastModifiedBy
    SystemModstamp datetime d
"""

CASE = """
    Id id(18) di
    IsDeleted boolean d
    MasterRecordId reference(18) n > Case as MasterRecord
    CaseNumber string(30) dim
    ContactId reference(18) cun > Contact as Contact
    AccountId reference(18) cun > Account as Account
    ParentId reference(18) cun > Case as Parent
    SuppliedName string(80) cun
    SuppliedEmail email(80) cun
    SuppliedPhone string(40) cun
    SuppliedCompany string(80) cun
    Type picklist(40) cun = Mechanical|Electrical|Electronic|Structural|Other
    Status picklist(40) cund = New|Working|Escalated|Closed
    Reason picklist(40) cun = Installation|Equipment Complexity|Performance|Breakdown|Equipment Design|Feedback|Other
    Origin picklist(40) cun = Phone|Email|Web
    Subject string(255) cun
    Priority picklist(40) cund = High|Medium|Low
    Description textarea(32000) cun
    IsClosed boolean d
    ClosedDate datetime n
    IsEscalated boolean cud
    @owner
    CreatedDate datetime d
    CreatedById reference(18) d > User as CreatedBy
    LastModifiedDate datetime d
    LastModifiedById reference(18) d > User as LastModifiedBy
    SystemModstamp datetime d
    ContactEmail email(80) nf
    ContactPhone phone(40) nf
    @viewed
    Hub_Id__c string(36) cunxiq
"""
