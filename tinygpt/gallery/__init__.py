"""Trained models that come with the package: ``load_gallery_model("shakespeare")`` needs no network."""

from tinygpt.gallery.card import Card, gallery_names
from tinygpt.gallery.loader import GalleryModel, load_gallery_model

__all__ = ["Card", "GalleryModel", "gallery_names", "load_gallery_model"]
