"""The bundled world: things drawn by code in many styles, with captions."""
