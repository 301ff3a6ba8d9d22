"""A Label Studio ML backend that orders the labelling queue by what each label would teach."""

__version__ = "0.1.0"
