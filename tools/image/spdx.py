"""The list of what is in an image, as SPDX 2.3 in JSON, and the licences.

The licence of a package is what its own copyright file says; the words of it
are machine-readable only in part, so each text is in the image, whole.
"""

import hashlib
import json
import os
import re


def words_of(text):
    """The License: words of a copyright file, sorted; none if it has none."""
    if not text.startswith('Format:'):
        return []
    found = set(re.findall(r'^License:[ \t]*(\S.*?)[ \t]*$', text, re.M))
    return sorted(found)


def copyright_of(folder, name):
    path = os.path.join(folder, 'usr/share/doc', name, 'copyright')
    try:
        with open(path, encoding='utf-8', errors='replace') as f:
            return f.read()
    except OSError:
        return ''


def package(name, version, words, comment, sha256=None):
    entry = {
        'SPDXID': 'SPDXRef-' + re.sub(r'[^A-Za-z0-9.-]', '-', name),
        'name': name,
        'versionInfo': version,
        'downloadLocation': 'NOASSERTION',
        'filesAnalyzed': False,
        'licenseConcluded': 'NOASSERTION',
        'licenseDeclared': 'NOASSERTION',
        'copyrightText': 'NOASSERTION',
        'comment': comment,
    }
    if words:
        entry['licenseComments'] = 'The package names: ' + '; '.join(words)
    if sha256:
        entry['checksums'] = [{'algorithm': 'SHA256', 'checksumValue': sha256}]
    return entry


def document(name, version, packages):
    body = json.dumps(packages, sort_keys=True).encode()
    return json.dumps({
        'spdxVersion': 'SPDX-2.3',
        'dataLicense': 'CC0-1.0',
        'SPDXID': 'SPDXRef-DOCUMENT',
        'name': '%s %s' % (name, version),
        'documentNamespace': 'https://spdx.org/spdxdocs/%s-%s-%s' % (
            name, version, hashlib.sha256(body).hexdigest()[:32]),
        # The same packages make the same bytes: no time of day gets in.
        'creationInfo': {'created': '1970-01-01T00:00:00Z',
                         'creators': ['Tool: nightstand-image']},
        'packages': packages,
        'relationships': [{'spdxElementId': 'SPDXRef-DOCUMENT',
                           'relationshipType': 'DESCRIBES',
                           'relatedSpdxElement': p['SPDXID']} for p in packages],
    }, indent=1, sort_keys=True, ensure_ascii=False) + '\n'
