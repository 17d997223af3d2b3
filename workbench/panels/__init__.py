"""ipywidgets over the workspace's files: they read, draw and ask; they compute nothing and train nothing.

A panel is handed a `View` (what the files said at one moment) and sets the traits of widgets that are there already.
A page drives the clock (`pulse`), so that a kernel without a page is idle and can be culled.
"""
