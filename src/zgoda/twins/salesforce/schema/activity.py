"""Fields of tasks, events and e-mail messages; no recording of tasks and messages was at hand (unverified)."""

TASK = """
    @system
    WhoId reference(18) cun > Contact,Lead as Who
    WhatId reference(18) cun > Account,Opportunity,Campaign,Case as What
    Subject combobox(255) cunm = Call|Email|Send Letter|Send Quote|Other
    ActivityDate date cun
    Status picklist(255) cud = Not Started|In Progress|Completed|Waiting on someone else|Deferred
    Priority picklist(255) cud = High|Normal|Low
    IsHighPriority boolean d
    @owner
    Description textarea(32000) cun
    AccountId reference(18) n > Account as Account
    IsClosed boolean d
    IsArchived boolean d
    CallDurationInSeconds int cun
    CallType picklist(40) cun = Internal|Inbound|Outbound
    CallDisposition string(255) cun
    ReminderDateTime datetime cun
    IsReminderSet boolean cud
    TaskSubtype picklist(40) cnr = Task|Email|ListEmail|Call|LinkedIn|Cadence
    CompletedDateTime datetime n
    Hub_Id__c string(36) cunxiq
"""

EVENT = """
    Id id(18) di
    WhoId reference(18) cun > Contact,Lead as Who
    WhatId reference(18) cun > Account,Opportunity,Campaign,Case as What
    Subject combobox(255) cunm = Call|Email|Meeting|Send Letter/Quote|Other
    Location string(255) cun
    IsAllDayEvent boolean cud
    ActivityDateTime datetime cun
    ActivityDate date cun
    DurationInMinutes int cun
    StartDateTime datetime cun
    EndDateTime datetime cun
    Description textarea(32000) cun
    AccountId reference(18) n > Account as Account
    @owner
    IsPrivate boolean cud
    ShowAs picklist(40) cundr = Busy|OutOfOffice|Free
    IsDeleted boolean d
    CreatedDate datetime d
    CreatedById reference(18) d > User as CreatedBy
    LastModifiedDate datetime d
    LastModifiedById reference(18) d > User as LastModifiedBy
    SystemModstamp datetime d
    IsArchived boolean d
    ReminderDateTime datetime cun
    IsReminderSet boolean cud
    EventSubtype picklist(40) cnr = Event
    Hub_Id__c string(36) cunxiq
"""

EMAIL_MESSAGE = """
    @system
    ParentId reference(18) cn > Case as Parent
    ActivityId reference(18) n > Task as Activity
    RelatedToId reference(18) cun > Account,Opportunity,Campaign,Case as RelatedTo
    Subject string(3000) cunm
    TextBody textarea(131072) cun
    HtmlBody textarea(131072) cun
    FromAddress email(1000) cun
    FromName string(1000) cun
    ToAddress string(4000) cun
    CcAddress string(4000) cun
    Incoming boolean cud
    Status picklist(40) cudr = 0|1|2|3|4|5
    MessageDate datetime cun
    FirstOpenedDate datetime n
    LastOpenedDate datetime n
    IsBounced boolean d
    MessageIdentifier string(765) cun
"""
