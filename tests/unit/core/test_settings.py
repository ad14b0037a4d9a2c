"""Settings: read, checked, printed."""

from pathlib import Path

import pytest

from cloudd import settings

SAMPLE = Path(__file__).resolve().parents[3] / "etc/cloudd.conf"


def load(tmp_path, text, **options):
    path = tmp_path / "cloudd.conf"
    path.write_text(text)
    return settings.load(path, environ=options.pop("environ", {}), **options)


def test_the_sample_file_is_the_one_that_is_printed():
    assert SAMPLE.read_text() == settings.sample()


def test_the_sample_file_changes_nothing(tmp_path):
    assert load(tmp_path, settings.sample()) == settings.Settings().complete()


def test_every_line_of_the_sample_can_be_switched_on(tmp_path):
    text = "\n".join(line[1:] if line.startswith("#") and " = " in line and not line.startswith("# ") else line
                     for line in settings.sample().splitlines())
    assert load(tmp_path, text) == settings.Settings().complete()


def test_values_are_typed(tmp_path):
    values = load(tmp_path, "[quota]\ncores = 7\n[network]\noutbound = off\ndns_servers = 1.1.1.1, 9.9.9.9\n"
                            "[compute]\ncpu_allocation_ratio = 2.5\n[jobs]\nlimits = compute.server.create=3\n")
    assert values.quota.cores == 7 and values.network.outbound is False and values.compute.cpu_allocation_ratio == 2.5
    assert values.network.dns_servers == ("1.1.1.1", "9.9.9.9") and values.jobs.by_kind() == {"compute.server.create": 3}


@pytest.mark.parametrize(("text", "words"), [
    ("[nova]\n", r"\[nova\] is no section; there are: server"),
    ("[quota]\ncorse = 7\n", r"\[quota\] corse is no option; there are: instances"),
    ("[quota]\ncores = many\n", r"\[quota\] cores = 'many': it must be a whole number"),
    ("[network]\noutbound = perhaps\n", "it must be on or off"),
    ("[server]\ntls = never\n", "it must be auto or off"),
    ("[server]\nlisten = here\n", "it must be HOST:PORT"),
    ("[jobs]\nlimits = a=b\n", "each KIND=N"),
    ("[quota]\ncores = 1\ncores = 2\n", "cores"),
    ("cores = 1\n", "cloudd.conf"),
    ("# x\n[quota]\ncores = 1\n\nCorse = 2\n", r"cloudd.conf, line 5: \[quota\] corse"),
    ("[DEFAULT]\ncores = 1\n", r"line 1: \[DEFAULT\] is no section"),
    ("[quota]\ncores = -2\n", "it must be a whole number, at least -1"),
    ("[identity]\nbcrypt_rounds = 99\n", "it must be a whole number from 4 to 31"),
    ("[compute]\ncpu_allocation_ratio = nan\n", "it must be a number, at least 0.01"),
    ("[compute]\ninstance_name_template = vm\n", "one number in it"),
    ("[compute]\ninstance_name_template = %d-%d\n", "one number in it"),
    ("[network]\nexternal_range = 172.24.4.1/24\n", "a range of addresses"),
    ("[network]\nexternal_range =\n", "a range of addresses"),
    ("[network]\nmac_base = 01:00:00:00:00:00\n", "unicast"),
    ("[network]\nnamespace = a/b\n", "ip netns"),
    ("[network]\ndns_servers = 9.9.9.9, dns.example.org\n", "each an IP address"),
    ("[network]\nbridge_interface = eth1\n", "bridge_physical_network is not"),
    ("[server]\npublic_url = cloud\n", "https://"),
    ("[server]\ntls_cert = /x.pem\n", "tls_key is not"),
    ("[database]\nurl = mysql://u:hunter2@h/d\n", r"url = \*\*\*: it must be sqlite:///PATH or postgresql://"),
    ("[security_compliance]\npassword_regex = (\n", "a regular expression"),
])
def test_what_is_wrong_is_told_with_what_would_be_right(tmp_path, text, words):
    with pytest.raises(settings.SettingsError, match=words):
        load(tmp_path, text)


def test_a_named_file_must_be_there(tmp_path):
    with pytest.raises(settings.SettingsError, match="no such file"):
        settings.load(tmp_path / "none.conf")


def test_the_environment_goes_over_the_file(tmp_path):
    values = load(tmp_path, "[identity]\nadmin_password = old\n", environ={"CLOUDD_IDENTITY_ADMIN_PASSWORD": "new"})
    assert values.identity.admin_password == "new"


def test_a_mistake_in_the_environment_is_told(tmp_path):
    with pytest.raises(settings.SettingsError, match="CLOUDD_DATABASE_URI is no option; there are: url"):
        load(tmp_path, "", environ={"CLOUDD_DATABASE_URI": "x"})
    with pytest.raises(settings.SettingsError, match="CLOUDD_QUOTA_CORES = 'x': it must be a whole number"):
        load(tmp_path, "", environ={"CLOUDD_QUOTA_CORES": "x"})


def test_a_simulated_cloud_does_not_read_the_machines_file(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "DEFAULT_FILE", tmp_path / "cloudd.conf")
    settings.DEFAULT_FILE.write_text("[quota]\ncores = 7\n")
    assert settings.load(environ={}).quota.cores == 7
    assert settings.load(environ={}, simulated=True).quota.cores == 20


def test_two_clouds_name_their_domains_apart():
    usual, one, other = (settings.load(None, state_dir=path, simulated=True, environ={}).compute.instance_name_template
                         for path in (None, "/srv/a", "/srv/b"))
    assert usual == "instance-%08x" and one != other and (one % 1).startswith("instance-")


def test_the_commands_options_go_over_all(tmp_path):
    values = load(tmp_path, "[server]\nstate_dir = /a\nlisten = 127.0.0.1:1\n", state_dir="/b", listen="[::1]:2", simulated=True)
    assert values.server.state_dir == "/b" and values.server.addresses() == [("::1", 2)]
    assert values.database.url == "sqlite:////b/cloudd.db"
    assert (values.compute.driver, values.network.driver) == ("simulated", "simulated")


def test_secrets_are_masked_when_shown(tmp_path):
    values = load(tmp_path, "[database]\nurl = postgresql://u:hunter2@h/d\n[identity]\nadmin_password = hunter2\n")
    shown = settings.effective(values)
    assert "hunter2" not in shown and "admin_password = ***" in shown and "bcrypt_rounds = 12" in shown
