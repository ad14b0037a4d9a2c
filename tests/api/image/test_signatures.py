"""Signed images: what was signed is taken, anything else is refused; by upload and by import."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa

from cloudd.drivers.store.base import Store
from tests.api.conftest import make_settings, run_cloud
from tests.waiting import until

BYTES = {"Content-Type": "application/octet-stream"}
DATA = bytes(range(256)) * 20_000
IDS = {"RSA-PSS": "0" * 7 + "1-0000-0000-0000-000000000001", "DSA": "0" * 7 + "2-0000-0000-0000-000000000002",
       "ECC_SECP384R1": "0" * 7 + "3-0000-0000-0000-00000000000a", "ECC_SECP521R1": "0" * 7 + "4-0000-0000-0000-000000000004"}
METHODS = {"SHA-224": hashes.SHA224(), "SHA-256": hashes.SHA256(), "SHA-384": hashes.SHA384(), "SHA-512": hashes.SHA512()}


@pytest.fixture(scope="module")
def keys():
    return {"RSA-PSS": rsa.generate_private_key(65537, 2048), "DSA": dsa.generate_private_key(2048),
            "ECC_SECP384R1": ec.generate_private_key(ec.SECP384R1()), "ECC_SECP521R1": ec.generate_private_key(ec.SECP521R1())}


@pytest.fixture(scope="module")
async def cloud(keys, tmp_path_factory):
    place = tmp_path_factory.mktemp("cloud")
    folder = place / "certificates"
    folder.mkdir()
    for kind, key in keys.items():
        form, ending = (serialization.Encoding.DER, "der") if kind == "DSA" else (serialization.Encoding.PEM, "pem")
        (folder / f"{IDS[kind]}.{ending}").write_bytes(certificate(key).public_bytes(form))
    (folder / "00000009-0000-0000-0000-000000000009.pem").write_bytes(b"no certificate")
    (place / "outside.pem").write_bytes(certificate(keys["RSA-PSS"]).public_bytes(serialization.Encoding.PEM))
    text = f"[image]\ncertificates_dir = {folder}\nimport_plugins = image_conversion\nconversion_format = qcow2\n"
    async for running in run_cloud(make_settings(place, text)):
        yield running


def certificate(key):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "signer")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    return builder.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())


def signed(keys, kind, method, data=DATA, **changes):
    """The properties of an image that is signed so."""
    key, algorithm = keys[kind], METHODS[method]
    if kind == "RSA-PSS":
        signature = key.sign(data, padding.PSS(padding.MGF1(algorithm), padding.PSS.MAX_LENGTH), algorithm)
    else:
        signature = key.sign(data, algorithm) if kind == "DSA" else key.sign(data, ec.ECDSA(algorithm))
    return {"img_signature": base64.b64encode(signature).decode(), "img_signature_hash_method": method, "img_signature_key_type": kind,
            "img_signature_certificate_uuid": IDS[kind], **changes}


async def make(client, properties):
    body = {"name": "one", "disk_format": "raw", "container_format": "bare", **properties}
    answer = await client.post("/image/v2/images", body)
    assert answer.status == 201, answer.content
    return answer.body["id"]


async def send(client, image, data, where="file"):
    return await client.request("PUT", f"/image/v2/images/{image}/{where}", data=data, headers=BYTES)


async def show(client, image):
    return (await client.get(f"/image/v2/images/{image}")).body


@pytest.mark.parametrize("kind", IDS)
@pytest.mark.parametrize("method", METHODS)
async def test_what_was_signed_is_taken_and_nothing_else(cloud, keys, kind, method):
    properties = signed(keys, kind, method)
    image = await make(cloud.demo, properties)
    before = set(await cloud.parts.driver(Store).keys())
    answer = await send(cloud.demo, image, DATA[:-1] + b"!")
    assert answer.status == 400 and "Signature verification failed" in answer.body["message"]
    assert (await show(cloud.demo, image))["status"] == "queued" and set(await cloud.parts.driver(Store).keys()) == before
    assert (await send(cloud.demo, image, DATA)).status == 204
    assert (await show(cloud.demo, image))["status"] == "active"


@pytest.mark.parametrize(("changes", "words"), [
    ({"img_signature": "no base64!"}, "base64"), ({"img_signature": ""}, "not what was signed"),
    ({"img_signature": base64.b64encode(b"x" * 256).decode()}, "not what was signed"),
    ({"img_signature_hash_method": "MD5"}, "Invalid signature hash method: MD5"),
    ({"img_signature_hash_method": "SHA-512"}, "not what was signed"),
    ({"img_signature_key_type": "ROT13"}, "Invalid signature key type: ROT13"),
    ({"img_signature_key_type": "DSA"}, "Invalid public key type"),
    ({"img_signature_certificate_uuid": IDS["DSA"]}, "Invalid public key type"),
    ({"img_signature_certificate_uuid": "00000008-0000-0000-0000-000000000008"}, "Certificate not found"),
    ({"img_signature_certificate_uuid": "00000009-0000-0000-0000-000000000009"}, "Invalid certificate format"),
    ({"img_signature_certificate_uuid": "../outside"}, "Certificate not found"),
])
async def test_bad_properties_are_told(cloud, keys, changes, words):
    image = await make(cloud.demo, signed(keys, "RSA-PSS", "SHA-256", **changes))
    answer = await send(cloud.demo, image, DATA)
    assert answer.status == 400 and words in answer.body["message"], answer.body
    assert (await show(cloud.demo, image))["status"] == "queued"


async def test_a_curve_is_the_one_that_is_named(cloud, keys):
    image = await make(cloud.demo, signed(keys, "ECC_SECP384R1", "SHA-384", img_signature_key_type="ECC_SECP521R1"))
    assert "Invalid public key type" in (await send(cloud.demo, image, DATA)).body["message"]


async def test_with_a_part_of_the_properties_an_image_is_not_a_signed_one(cloud, keys):
    properties = signed(keys, "RSA-PSS", "SHA-256")
    del properties["img_signature_key_type"]
    image = await make(cloud.demo, properties)
    assert (await send(cloud.demo, image, b"anything")).status == 204


async def test_imports_are_held_against_the_signature_and_not_converted(cloud, keys):
    for data, status in ((DATA, "active"), (b"something else", "queued")):
        image = await make(cloud.demo, signed(keys, "RSA-PSS", "SHA-256"))
        assert (await send(cloud.demo, image, data, "stage")).status == 204
        assert (await cloud.demo.post(f"/image/v2/images/{image}/import", {"method": {"name": "glance-direct"}})).status == 202

        async def ended(image=image):
            return (await show(cloud.demo, image))["status"] not in ("importing", "uploading")
        await until(ended)
        shown = await show(cloud.demo, image)
        assert (shown["status"], shown["disk_format"]) == (status, "raw")
        if status == "queued":
            message = (await cloud.demo.get(f"/image/v2/images/{image}/tasks")).body["tasks"][0]["message"]
            assert "Signature verification failed" in message


async def test_without_certificates_signed_images_are_refused(tmp_path, keys):
    async for cloud in run_cloud(make_settings(tmp_path)):
        image = await make(cloud.demo, signed(keys, "RSA-PSS", "SHA-256"))
        answer = await send(cloud.demo, image, DATA)
        assert answer.status == 400 and "certificates_dir" in answer.body["message"]
