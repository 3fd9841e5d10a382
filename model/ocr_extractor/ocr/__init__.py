"""From the pixels of a page to its words, ticks and ruled lines; both engines use it."""
