"""digits: a Flower / sklearn app; the same training under Flower's client mods."""

from flwr.clientapp import ClientApp
from flwr.clientapp.mod import LocalDpMod, adaptiveclipping_mod, arrays_size_mod, fixedclipping_mod, message_size_mod

from digits import client_app

fixed, adaptive, local, sizes = ClientApp(), ClientApp(), ClientApp(), ClientApp(mods=[message_size_mod])

fixed.train(mods=[fixedclipping_mod])(client_app.train)
adaptive.train(mods=[adaptiveclipping_mod])(client_app.train)
local.train(mods=[LocalDpMod(clipping_norm=5.0, sensitivity=0.001, epsilon=10.0, delta=1e-5)])(client_app.train)
sizes.train(mods=[arrays_size_mod])(client_app.train)

for each in (fixed, adaptive, local, sizes):
    each.evaluate()(client_app.evaluate)
