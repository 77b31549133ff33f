"""Fields of individuals and contact point consent; documented standard fields, no recording at hand (unverified)."""

INDIVIDUAL = """
    @system
    @owner
    LastName string(80) cu
    FirstName string(40) cun
    Salutation picklist(40) cun = Mr.|Ms.|Mrs.|Dr.|Prof.
    Name string(121) m
    HasOptedOutTracking boolean cud
    HasOptedOutProfiling boolean cud
    HasOptedOutProcessing boolean cud
    HasOptedOutSolicit boolean cud
    ShouldForget boolean cud
    SendIndividualData boolean cud
    CanStorePiiElsewhere boolean cud
    HasOptedOutGeoTracking boolean cud
    BirthDate date cun
    Hub_Id__c string(36) cunxiq
"""

CONTACT_POINT_TYPE_CONSENT = """
    @system
    @owner
    Name string(255) cum
    PartyId reference(18) cu > Individual as Party
    ContactPointType picklist(255) cunr = Email|Phone|MailingAddress|Social|Web
    PrivacyConsentStatus picklist(255) cudr = NotSeen|Seen|OptIn|OptOut
    EffectiveFrom datetime cun
    EffectiveTo datetime cun
    CaptureDate datetime cun
    CaptureContactPointType picklist(255) cunr = Email|Phone|MailingAddress|Social|Web
    CaptureSource string(255) cun
    DoubleConsentCaptureDate datetime cun
    Hub_Id__c string(36) cunxiq
"""
