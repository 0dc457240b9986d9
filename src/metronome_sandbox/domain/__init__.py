"""Money and time, pure: values in, values out. Opens nothing, reads no clock, knows neither HTTP nor JSON."""
