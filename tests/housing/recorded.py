"""Pages of Booli in the format that was recorded in July 2026, with flats that never were."""

import json

CHALLENGE = (
    b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>"
    b"<script>window._cf_chl_opt={cvId:'3'};</script>"
    b'<script src="/cdn-cgi/challenge-platform/h/b/orchestrate"></script></body></html>'
)


def flat(number, **changes):
    """Give a sale as the state of a page has it."""
    sale = {
        "__typename": "SoldProperty",
        "booliId": number,
        "streetAddress": f"Tranbärsgatan {number % 90 + 1}",
        "descriptiveAreaName": "Klockarudden",
        "objectType": "Lägenhet",
        "soldDate": "2026-06-30",
        "soldPrice": {
            "__typename": "FormattedValue",
            "raw": 4_430_000,
            "formatted": "4 430 000 kr",
        },
        "soldPriceType": "Slutpris",
        "soldPricePercentageDiff": {"raw": 4.2},
        "listPrice": {"formatted": "4 250 000 kr"},
        "daysActive": 14,
        "latitude": 59.3415,
        "longitude": 18.086,
        "location": {"region": {"municipalityName": "Stockholm"}},
        "amenities": [{"__ref": "Amenity:balcony"}],
        "url": f"/bostad/{number}",
    }
    shown = changes.pop("shown", ("42 m²", "1,5 rum", "vån 3", "105 476 kr/m²"))
    key = 'displayAttributes({"queryContext":"SERP_LIST_LISTING"})'
    sale[key] = {"dataPoints": [{"value": {"plainText": text}} for text in shown]}
    sale |= changes
    return {name: value for name, value in sale.items() if value is not None}


def for_sale(number, **changes):
    """Give a flat that is not sold yet."""
    unsold = {"__typename": "Listing", "soldDate": None, "soldPrice": None, "soldPriceType": None}
    return flat(number, **(unsold | {"published": "2026-07-02 08:15:00"} | changes))


def state(*flats, area="1", pages=1, search="searchSold"):
    """Give the state of a result page."""
    keys = [f"{one['__typename']}:{one.get('booliId', one.get('id'))}" for one in flats]
    query = {"input": {"areaId": area, "filters": [{"key": "objectType", "value": "Lägenhet"}]}}
    result = {
        "pages": pages,
        "totalCount": len(flats),
        "result": [{"__ref": key} for key in keys],
    }
    amenities = {"Amenity:balcony": {"__typename": "Amenity", "key": "balcony", "label": "Balkong"}}
    root = {"__typename": "Query", f"{search}({json.dumps(query)})": result}
    return {"ROOT_QUERY": root, **dict(zip(keys, flats, strict=True)), **amenities}


def detail(one):
    """Give the state of the page of a single flat."""
    return {"ROOT_QUERY": {"__typename": "Query"}, f"{one['__typename']}:{one['booliId']}": one}


def html(apollo):
    """Give a page as a browser saves it."""
    data = {"props": {"pageProps": {"__APOLLO_STATE__": apollo}}, "page": "/search"}
    return (
        "<!DOCTYPE html><html><head><title>Slutpriser</title>"
        '<script type="text/javascript">var a = 1 < 2;</script></head><body><h1>Slutpriser</h1>'
        f'<script id="__NEXT_DATA__" type="application/json">{json.dumps(data)}</script>'
        "</body></html>"
    ).encode()
