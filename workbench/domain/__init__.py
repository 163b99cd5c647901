"""Values and their rules: instruments, prices in points, calendar, cost book, orders, fills, accounts."""
