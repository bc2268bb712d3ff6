"""Situations that people met with neighbouring tools, and the test that holds the right answer to
each. Numbers are those of the collection that the project keeps."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
BROUGHT = "unit/models/corpora/test_brought_data.py"
WEIGHTS = "conformance/test_brought_weights.py"
SITUATIONS = {  # number and what is brought -> file, test
    "01 EXIF orientation": (
        BROUGHT,
        "test_alphas_of_phone_pictures_are_settled_whichever_pixels_they_were_made_of",
    ),
    "02 alpha in A": (BROUGHT, "test_alpha_in_the_a_channel_of_the_matte"),
    "03 grey of 16 bits": (BROUGHT, "test_grey_pictures_of_16_bits_are_not_white"),
    "06 fgr and pha, 07 FG and GT": (BROUGHT, "test_foregrounds_with_alphas_are_straight_colour"),
    "12 tRNS": (BROUGHT, "test_a_transparent_colour_cuts_the_subject_out"),
    "12 premultiplied": (BROUGHT, "test_premultiplied_cut_outs_are_made_straight"),
    "15 equal names": (BROUGHT, "test_equal_names_in_folders_and_dots_in_names_are_all_read"),
    "16 clips": (BROUGHT, "test_clips_in_nested_folders"),
    "20 conditional": (WEIGHTS, "test_one_class_of_a_conditional_generator_gives_its_pictures"),
    "20 grey": (WEIGHTS, "test_a_grey_generator_becomes_one_of_equal_channels"),
    "20 contradiction": (WEIGHTS, "test_a_config_that_contradicts_the_weights_is_refused_by_name"),
    "20 gzip, parameters": (WEIGHTS, "test_gzipped_snapshots_and_finetuned_parameters"),
    "20 StyleGAN2, TF": (WEIGHTS, "test_other_networks_are_refused_by_name_with_what_to_do"),
    "20 wrapped StyleMatte": (WEIGHTS, "test_wrapped_states_are_found_and_keep_their_bits"),
    "21 addresses that are none": (
        "unit/matteforge/cli/test_connection.py",
        "test_an_address_that_is_none_is_one_line",
    ),
    "21 a line feed in a key": (
        "unit/matteforge/cli/test_connection.py",
        "test_a_key_that_can_not_be_sent_is_one_line_that_does_not_show_it",
    ),
    "22 HEAD": ("unit/service/test_plain_http.py", "test_head_is_get_without_its_body"),
    "32 a prefix that is stripped": (
        "unit/service/test_plain_http.py",
        "test_locations_and_the_reference_stay_below_a_prefix_that_is_stripped",
    ),
    "23 two orders in one folder": (
        "unit/matteforge/test_download.py",
        "test_the_folder_is_the_dataset_s_own",
    ),
    "24 full disk": (
        "unit/matteforge/test_download.py",
        "test_a_full_disk_is_one_line_and_the_part_stays",
    ),
    "25 redirect to a shard": ("e2e/test_promises.py", "test_a_redirect_leads_to_the_shard"),
    "26 calibrate on WebP": (
        "integration/test_worker_cli.py",
        "test_thresholds_are_calibrated_on_folders_and_on_pictures_of_any_format",
    ),
    "40 WebDataset": ("e2e/test_promises.py", "test_webdataset_reads_presigned_urls"),
    "41 datasets": ("e2e/test_promises.py", "test_datasets_streams_presigned_urls"),
    "50 frozen broker": (
        "fault/test_frozen_processes.py",
        "test_orders_go_on_after_a_freeze",
    ),
    "one picture twice": (
        "unit/workers/test_corpus_looks.py",
        "test_one_picture_goes_into_one_split",
    ),
}


@pytest.mark.parametrize("situation", list(SITUATIONS))
def test_each_situation_has_its_test(situation):
    file, name = SITUATIONS[situation]
    functions = [
        node.name
        for node in ast.parse((TESTS / file).read_text()).body
        if isinstance(node, ast.FunctionDef)
    ]
    assert name in functions
