"""Pages and charts of a cycle, as HTML and SVG."""
