"""Fields of accounts, contacts, leads and users, after recorded describe results; `__c` fields are this org's own."""

ACCOUNT = """
    Id id(18) di
    IsDeleted boolean d
    MasterRecordId reference(18) n > Account as MasterRecord
    Name string(255) cum
    Type picklist(40) cun = Prospect|Customer - Direct|Customer - Channel|Channel Partner / Reseller
        |Installation Partner|Technology Partner|Other
    ParentId reference(18) cun > Account as Parent
    @address Billing
    @address Shipping
    Phone phone(40) cun
    Fax phone(40) cun
    AccountNumber string(40) cun
    Website url(255) cun
    PhotoUrl url(255) n
    Sic string(20) cun
    Industry picklist(40) cun = Agriculture|Apparel|Banking|Biotechnology|Chemicals|Communications|Construction
        |Consulting|Education|Electronics|Energy|Engineering|Entertainment|Environmental|Finance|Food & Beverage
        |Government|Healthcare|Hospitality|Insurance|Machinery|Manufacturing|Media|Not For Profit|Recreation|Retail
        |Shipping|Technology|Telecommunications|Transportation|Utilities|Other
    AnnualRevenue currency(18.0) cun
    NumberOfEmployees int cun
    Ownership picklist(40) cun = Public|Private|Subsidiary|Other
    TickerSymbol string(20) cun
    Description textarea(32000) cun
    Rating picklist(40) cun = Hot|Warm|Cold
    Site string(80) cun
    @owner
    CreatedDate datetime d
    CreatedById reference(18) d > User as CreatedBy
    LastModifiedDate datetime d
    LastModifiedById reference(18) d > User as LastModifiedBy
    SystemModstamp datetime d
    LastActivityDate date n
    @viewed
    AccountSource picklist(40) cun = Web|Phone Inquiry|Partner Referral|Purchased List|Other
    DunsNumber string(9) cun
    Hub_Id__c string(36) cunxiq
    Tax_Id__c string(20) cunxi
    Tier__c picklist(20) cunr = Gold|Silver|Bronze
"""

CONTACT = """
    Id id(18) di
    IsDeleted boolean d
    MasterRecordId reference(18) n > Contact as MasterRecord
    AccountId reference(18) cun > Account as Account
    LastName string(80) cu
    FirstName string(40) cun
    Salutation picklist(40) cun = Mr.|Ms.|Mrs.|Dr.|Prof.
    Name string(121) m
    @address Other
    @address Mailing
    Phone phone(40) cun
    Fax phone(40) cun
    MobilePhone phone(40) cun
    HomePhone phone(40) cun
    OtherPhone phone(40) cun
    AssistantPhone phone(40) cun
    ReportsToId reference(18) cun > Contact as ReportsTo
    Email email(80) cuni
    Title string(128) cun
    Department string(80) cun
    AssistantName string(40) cun
    LeadSource picklist(255) cun = Web|Phone Inquiry|Partner Referral|Purchased List|Other
    Birthdate date cun
    Description textarea(32000) cun
    @owner
    HasOptedOutOfEmail boolean cud
    HasOptedOutOfFax boolean cud
    DoNotCall boolean cud
    CreatedDate datetime d
    CreatedById reference(18) d > User as CreatedBy
    LastModifiedDate datetime d
    LastModifiedById reference(18) d > User as LastModifiedBy
    SystemModstamp datetime d
    LastActivityDate date n
    @viewed
    EmailBouncedReason string(255) cun
    EmailBouncedDate datetime cun
    IsEmailBounced boolean d
    PhotoUrl url(255) n
    IndividualId reference(18) cun > Individual as Individual
    Hub_Id__c string(36) cunxiq
    Legacy_No__c string(20) cunxi
    Language__c picklist(20) cunr = Polish|English|German|French|Spanish|Czech|Other
    Interests__c multipicklist(4099) cun = Product news|Events|Training|Offers|Research
    Credit_Limit__c currency(16.2) cun
    Score__c double(8.0) cun
    Member_Since__c date cun
    Last_Survey__c datetime cun
    Newsletter__c boolean cud
    Account_Tier__c string(1300) nf
"""

LEAD = """
    Id id(18) di
    IsDeleted boolean d
    MasterRecordId reference(18) n > Lead as MasterRecord
    LastName string(80) cu
    FirstName string(40) cun
    Salutation picklist(40) cun = Mr.|Ms.|Mrs.|Dr.|Prof.|Mx.
    Name string(121) m
    Title string(128) cun
    Company string(255) cu
    @address
    Phone phone(40) cun
    MobilePhone phone(40) cun
    Fax phone(40) cun
    Email email(80) cuni
    Website url(255) cun
    Description textarea(32000) cun
    LeadSource picklist(255) cun = Web|Phone Inquiry|Partner Referral|Purchased List|Other
    Status picklist(255) cud = Open - Not Contacted|Working - Contacted|Closed - Converted|Closed - Not Converted
    Industry picklist(255) cun = Agriculture|Banking|Biotechnology|Chemicals|Communications|Construction|Consulting
        |Education|Electronics|Energy|Engineering|Finance|Healthcare|Insurance|Manufacturing|Media|Retail
        |Technology|Transportation|Utilities|Other
    Rating picklist(255) cun = Hot|Warm|Cold
    AnnualRevenue currency(18.0) cun
    NumberOfEmployees int cun
    @owner
    HasOptedOutOfEmail boolean cud
    DoNotCall boolean cud
    IsConverted boolean cd
    ConvertedDate date n
    ConvertedAccountId reference(18) n > Account as ConvertedAccount
    ConvertedContactId reference(18) n > Contact as ConvertedContact
    ConvertedOpportunityId reference(18) n > Opportunity as ConvertedOpportunity
    IsUnreadByOwner boolean cud
    CreatedDate datetime d
    CreatedById reference(18) d > User as CreatedBy
    LastModifiedDate datetime d
    LastModifiedById reference(18) d > User as LastModifiedBy
    SystemModstamp datetime d
    LastActivityDate date n
    @viewed
    EmailBouncedReason string(255) un
    EmailBouncedDate datetime un
    IndividualId reference(18) cun > Individual as Individual
    Hub_Id__c string(36) cunxiq
"""

ORGANIZATION = """
    Id id(18) di
    Name string(80) m
    Division string(80) n
    Street textarea(255) n
    City string(40) n
    State string(80) n
    PostalCode string(20) n
    Country string(80) n
    Phone phone(40) n
    PrimaryContact string(80) n
    DefaultLocaleSidKey picklist(40) r = pl_PL|de_DE|en_GB|en_US
    TimeZoneSidKey picklist(40) r = Europe/Warsaw|Europe/Berlin|Europe/London|America/New_York
    LanguageLocaleKey picklist(40) r = pl|de|en_US
    OrganizationType picklist(40) nr = Developer Edition|Enterprise Edition|Professional Edition|Unlimited Edition
    NamespacePrefix string(15) n
    InstanceName string(5) n
    IsSandbox boolean -
    IsReadOnly boolean -
    TrialExpirationDate datetime n
    CreatedDate datetime d
    CreatedById reference(18) d > User as CreatedBy
    LastModifiedDate datetime d
    LastModifiedById reference(18) d > User as LastModifiedBy
    SystemModstamp datetime d
"""

USER = """
    Id id(18) di
    Username string(80) cuiq
    LastName string(80) cu
    FirstName string(40) cun
    Name string(121) m
    CompanyName string(80) cun
    Email email(128) cu
    Alias string(8) cu
    IsActive boolean cud
    TimeZoneSidKey picklist(40) cudr = Europe/Warsaw|Europe/Berlin|Europe/London|America/New_York|Pacific/Auckland
        |Pacific/Pago_Pago
    CreatedDate datetime d
    CreatedById reference(18) d > User as CreatedBy
    LastModifiedDate datetime d
    LastModifiedById reference(18) d > User as LastModifiedBy
    SystemModstamp datetime d
"""
