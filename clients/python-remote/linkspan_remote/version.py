"""The version of Linkspan."""

VERSION = "0.1.0"
