# %% [markdown]
# # Code mobility

# %%
from agents import agent, connect, hop

platform = connect()
platform


# %%
@agent
def survey(here, places):
    seen = []
    for place in places:
        here = yield hop(place)
        seen.append(here.name)
    return seen


# %%
surveyor = platform.launch(survey, platform.places(), name="surveyor")
surveyor.watch()

# %%
print(surveyor.result(timeout=60))
surveyor.trail()

# %%
platform.close()
