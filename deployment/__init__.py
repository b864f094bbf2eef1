"""What brings the product to Azure, beside `infra/`: ARM JSON made from the Bicep, the package, checks, the
bill of materials. Not deployed itself. `python -m deployment` is its command line; dev.py calls it."""
