"""The version, which is that of Linkspan."""

VERSION = "0.1.0"
