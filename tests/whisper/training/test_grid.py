"""A grid is trained variant by variant; what is there is not trained again."""

import pandas as pd
import pytest

from whisper import grid

TEXT = """
[set]
d_model = 16
heads = 2
ffn = 32
encoder_layers = 1
decoder_layers = 1
batch_size = 16
max_steps = 3
eval_steps = 3
max_new_tokens = 3
[each]
learning_rate = [1e-4]
"""


@pytest.fixture(scope="module")
def table(digits_shards, tmp_path_factory):
    work = tmp_path_factory.mktemp("grid")
    return grid.run(grid.read(TEXT), digits_shards, work), work


def test_a_table_has_a_row_for_each_variant_and_its_distance_from_the_base(table):
    found, work = table
    assert sorted(found["variant"]) == ["base", "learning_rate=0.0001"]
    base = found.set_index("variant").loc["base"]
    assert (base["difference"], base["difference_low"], base["difference_high"]) == (0, 0, 0)
    assert found["error_rate"].is_monotonic_increasing
    assert (found["clips"] == found["clips"].iloc[0]).all() and (found["steps"] == 3).all()
    assert pd.read_parquet(work / grid.TABLE).equals(found)
    assert (work / grid.TEXT).read_text("utf-8").strip() == grid.markdown(found)
    assert grid.markdown(found).count("\n") == 3


def test_only_what_lacks_is_trained(table, digits_shards):
    _, work = table
    trained = []

    def counting(function, variants):
        for variant in variants:
            trained.append(variant.name)
            yield function(variant)

    more = TEXT + "dropout = [0.5]\n"
    found = grid.run(grid.read(more), digits_shards, work, mapper=counting)
    assert trained == ["dropout=0.5"] and len(found) == 3
    grid.run(grid.read(more), digits_shards, work, mapper=counting)
    assert trained == ["dropout=0.5"]
