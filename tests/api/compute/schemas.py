"""Replies of compute in the form that Tempest wants."""

from tempest.lib.api_schema.response import compute

from tests.api.forms import Forms

fits = Forms(compute, "2.1").fits
