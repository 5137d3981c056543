"""E-mail: notices as text and HTML, by SMTP."""
