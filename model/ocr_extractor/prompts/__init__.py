"""From a registry URI to instructions: pinned, snapshotted or followed."""
