"""What handlers may rely on: a member of the body that one reads is a member that the body's shape makes sure of."""

import ast
import inspect
import textwrap

import pytest

from cloudd.core.http.shapes import UNSET, Unchecked
from cloudd.daemon import MODULES

WITH_BODY = [operation for module in MODULES for api in module.apis for operation in api.operations
             if operation.body and not isinstance(operation.body, Unchecked)]


def read_by(handler):
    """The members that a handler reads by `body["name"]`, but for those that it asks for first."""
    tree = list(ast.walk(ast.parse(textwrap.dedent(inspect.getsource(handler)))))
    read = {node.slice.value for node in tree if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load)
            and isinstance(node.slice, ast.Constant) and isinstance(node.value, ast.Name) and node.value.id == "body"}
    asked = {node.args[0].value for node in tree if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
             and node.func.attr == "get" and node.args and isinstance(node.args[0], ast.Constant)}
    asked |= {node.left.value for node in tree if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In)
              and isinstance(node.left, ast.Constant)}
    return read - asked


def assured(operation, name):
    return operation.use == "create" and any(item.required or item.default is not UNSET for item in operation.body.fields
                                             if item.name == name)


@pytest.mark.parametrize("operation", WITH_BODY, ids=lambda one: f"{one.method} {one.api.service}{one.path} {one.action or ''}".strip())
def test_no_handler_reads_a_member_that_the_shape_does_not_require(operation):
    assert {name for name in read_by(operation.handler) if not assured(operation, name)} == set()


def test_there_are_handlers_that_read_their_body():
    assert sum(bool(read_by(operation.handler)) for operation in WITH_BODY) > 30
