"""Realistic vendor servers for tests, demos and users' own scenarios. They share no code with the connectors."""

from zgoda.twins.mailchimp import MailchimpTwin
from zgoda.twins.salesforce import SalesforceTwin
from zgoda.twins.serve import serve
from zgoda.twins.world import World

__all__ = ["MailchimpTwin", "SalesforceTwin", "World", "serve"]
