"""The table of items."""

from pg8000.native import Connection


def connect():
    return Connection("stock", host="127.0.0.1", database="postgres")


def create(db):
    db.run("DROP TABLE IF EXISTS stock")
    db.run("CREATE TABLE stock (item text PRIMARY KEY, number integer NOT NULL)")


def count(db, item):
    rows = db.run("SELECT number FROM stock WHERE item = :item", item=item)
    return rows[0][0] if rows else 0


def receive(db, item, number):
    """Add a delivery."""
    db.run(
        "INSERT INTO stock VALUES (:item, :number) "
        "ON CONFLICT (item) DO UPDATE SET number = excluded.number",
        item=item, number=number,
    )


def take(db, item, number):
    """Remove items for an order."""
    db.run(
        "UPDATE stock SET number = number - :number WHERE item = :item",
        item=item, number=number,
    )
