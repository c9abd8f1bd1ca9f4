"""Tags: named values that people attach to feature groups, feature views and models."""

from __future__ import annotations

from typing import Any

from fti.embedded.catalog import Entry


class Tagged:
    """What has tags in its catalog entry."""

    _store: Any

    def _tagged_entry(self) -> Entry:
        raise NotImplementedError

    def add_tag(self, name: str, value: Any) -> None:
        """Attach a tag, or change it."""
        self._store.catalog.update(
            self._tagged_entry(), lambda document: document["tags"].update({name: value})
        )

    def get_tag(self, name: str) -> Any | None:
        """Give a tag's value, or None."""
        return self.get_tags().get(name)

    def get_tags(self) -> dict[str, Any]:
        """Give all tags."""
        return dict(self._tagged_entry().document["tags"])

    def delete_tag(self, name: str) -> None:
        """Remove a tag."""
        self._store.catalog.update(
            self._tagged_entry(), lambda document: document["tags"].pop(name, None)
        )
