"""Kubernetes' CEL libraries: what rules of custom resources may call."""

import pytest

from afflux.lang.cel import CelError, compile_expression
from afflux.objects.manifest import Json

OBJECT = {"names": ["b", "a"], "sizes": [3, 1, 2], "memory": "128Mi", "url": "https://a.example:8443/x%20y?q=1&q=2"}


def _value(text: str) -> Json:
    return compile_expression(text, ("self",), kubernetes=True).evaluate({"self": OBJECT})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # lists
        ("[1, 2, 2].isSorted()", True),
        ("self.sizes.isSorted()", False),
        ("self.names.isSorted() || [duration('1s'), duration('2s')].isSorted()", True),
        ("self.sizes.sum()", 6),
        ("[0.5, 1.0].sum()", 1.5),
        ("[].sum() == 0", True),
        ("self.sizes.min() + self.sizes.max()", 4),
        ("self.names.max()", "b"),
        ("[1, 2, 1].indexOf(1)", 0),
        ("[1, 2, 1].lastIndexOf(1)", 2),
        ("self.names.indexOf('z')", -1),
        ("[[1], [2]].indexOf([2])", 1),
        ("'abcabc'.indexOf('c') == 2 && 'abcabc'.lastIndexOf('c') == 5", True),
        # regular expressions
        ("'abc 123 4'.find('[0-9]+')", "123"),
        ("'abc'.find('[0-9]+')", ""),
        ("'1 22 333'.findAll('[0-9]+')", ["1", "22", "333"]),
        ("'1 22 333'.findAll('[0-9]+', 2)", ["1", "22"]),
        ("'1 22 333'.findAll('[0-9]+', 0)", []),
        ("'1 22 333'.findAll('[0-9]+', -1).size()", 3),
        # formats of texts
        ("'%s has %d of %.1f'.format([self.names[0], 2, 0.5])", "b has 2 of 0.5"),
        # URLs
        ("isURL(self.url) && isURL('/path') && isURL('mailto:a@b')", True),
        ("isURL('../relative') || isURL('') || isURL('http://a b/') || isURL('http://[::1') || isURL('1:2')", False),
        ("isURL('http://a:port/') || isURL('http://a/%zz')", False),
        ("url(self.url).getScheme()", "https"),
        ("url(self.url).getHost()", "a.example:8443"),
        ("url(self.url).getHostname()", "a.example"),
        ("url(self.url).getPort()", "8443"),
        ("url(self.url).getEscapedPath()", "/x%20y"),
        ("url(self.url).getQuery()", {"q": ["1", "2"]}),
        ("url('http://[::1]:80/').getHostname() + url('http://[::1]:80/').getPort()", "::180"),
        ("url('/just/path').getScheme() + url('/just/path').getHost()", ""),
        ("url('http://a/b c').getEscapedPath()", "/b%20c"),
        ("url('http://a') == url('http://a')", True),
        # quantities
        ("isQuantity('1.5Gi') && isQuantity('-3m') && isQuantity('1e3') && isQuantity('.5')", True),
        ("isQuantity('1.3Zi') || isQuantity('') || isQuantity('10 Mi') || isQuantity('1e99999999')", False),
        ("quantity(self.memory).isLessThan(quantity('1Gi'))", True),
        ("quantity('1').isGreaterThan(quantity('999m'))", True),
        ("quantity('1000m') == quantity('1')", True),
        ("quantity('200M').compareTo(quantity('0.2G'))", 0),
        ("quantity('50k').add(quantity('20k')).sub(20000) == quantity('50k')", True),
        ("quantity('50k').add(20).asInteger()", 50020),
        ("quantity('1.5').isInteger() || !quantity('2Ki').isInteger()", False),
        ("quantity('1500m').asApproximateFloat()", 1.5),
        ("[quantity('-1').sign(), quantity('0').sign(), quantity('2').sign()]", [-1, 0, 1]),
        ("quantity('0.1n') == quantity('1n')", True),
        # addresses
        (
            "isIP('10.0.0.1') && isIP('::1') && !isIP('010.0.0.1') && !isIP('fe80::1%eth0') && !isIP('::ffff:1.2.3.4')",
            True,
        ),
        ("[ip('10.0.0.1').family(), ip('::1').family()]", [4, 6]),
        ("ip('127.0.0.1').isLoopback() && ip('0.0.0.0').isUnspecified() && ip('fe80::1').isLinkLocalUnicast()", True),
        ("ip('224.0.0.1').isLinkLocalMulticast() && ip('192.168.0.1').isGlobalUnicast()", True),
        ("ip.isCanonical('2001:db8::1') && !ip.isCanonical('2001:DB8::1')", True),
        ("string(ip('2001:DB8::1'))", "2001:db8::1"),
        ("isCIDR('10.0.0.0/8') && !isCIDR('10.0.0.0') && !isCIDR('10.0.0.0/33') && !isCIDR('10.0.0.0/08')", True),
        ("cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsIP(ip('11.0.0.1'))", True),
        ("cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !cidr('10.0.0.0/8').containsCIDR(cidr('::/0'))", True),
        ("cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8') && cidr('10.1.2.3/8').prefixLength() == 8", True),
        ("string(cidr('10.1.2.3/8').ip())", "10.1.2.3"),
        # semantic versions
        ("isSemver('1.2.3-rc.1+b') && !isSemver('1.2') && !isSemver('v1.2.3') && isSemver('v01.2', true)", True),
        ("semver('1.2.3').major() * 100 + semver('1.2.3').minor() * 10 + semver('1.2.3').patch()", 123),
        ("semver('1.0.0-rc.2').isLessThan(semver('1.0.0-rc.10'))", True),
        ("semver('1.0.0').isGreaterThan(semver('1.0.0-rc'))", True),
        ("semver('1.0.0-1').compareTo(semver('1.0.0-a'))", -1),
        # named formats
        ("!format.dns1123Label().validate('a-b').hasValue()", True),
        ("format.dns1123Label().validate('A').hasValue()", True),
        ("format.named('uuid').value().validate('nope').value().size()", 1),
        ("format.named('nope').hasValue()", False),
        ("format.qualifiedName().validate('example.com/Name').hasValue()", False),
        ("format.labelValue().validate('').hasValue() || format.date().validate('2026-01-31').hasValue()", False),
    ],
)
def test_a_function_of_kubernetes_has_a_value(text: str, value: Json) -> None:
    assert _value(text) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[].min()", "min called on empty list"),
        ("quantity('x')", "quantities must match"),
        ("quantity('1.5').asInteger()", "cannot convert value to integer"),
        ("url('a b')", "URL parse error"),
        ("ip('1.2.3')", "does not appear to be"),
        ("ip('::1').masked()", "no such overload: ip.masked"),
        ("{'a': 1}.sign()", "no such overload: map.sign"),
        ("self.names.sum()", "unsupported operand"),
        ("'a'.find('(')", "missing"),
        ("format.named('nope').value()", "dereference"),
    ],
)
def test_a_wrong_use_is_an_error(text: str, problem: str) -> None:
    with pytest.raises(CelError, match=problem):
        _value(text)


def test_expressions_of_flux_do_not_have_them() -> None:
    with pytest.raises(CelError, match="isURL"):
        compile_expression("isURL(self.url)", ("self",))
