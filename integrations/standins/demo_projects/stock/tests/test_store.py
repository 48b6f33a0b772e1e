import unittest

from stock import store


class StoreTest(unittest.TestCase):
    def setUp(self):
        self.db = store.connect()
        self.addCleanup(self.db.close)
        store.create(self.db)

    def test_delivery_is_counted(self):
        store.receive(self.db, "lamp", 3)
        self.assertEqual(store.count(self.db, "lamp"), 3)

    def test_order_is_taken(self):
        store.receive(self.db, "lamp", 3)
        store.take(self.db, "lamp", 2)
        self.assertEqual(store.count(self.db, "lamp"), 1)
