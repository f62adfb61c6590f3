"""
What each feature of Can I email looks like in a mail: the marks by which it is found.

Marks of HTML: `element td`, `attribute align`, `type input:text`, `link mailto`, `picture webp`,
`meta color-scheme`, `doctype html`, `html comment`. Marks of CSS: `property gap`,
`value display:flex`, `keyword initial`, `unit rem`, `function clamp`, `at media`, `media hover`,
`pseudo-class hover`, `pseudo-element after`, `selector child`, `important`, `css comment`,
`css nesting`. A mark that no feature has is looked for by nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

NOT_DETECTED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "amp": "is a part of its own beside the HTML, text/x-amp-html",
        "bimi": "is in the sender's DNS, not in a mail",
    }
)
"""Features that are not looked for, and why."""


def _all(kind: str, names: str) -> tuple[str, ...]:
    return tuple(f"{kind} {name}" for name in names.split())


_PROPERTIES: Final = (
    "accent-color align-items aspect-ratio backdrop-filter background-blend-mode background-clip "
    "background-color background-image background-origin background-position background-repeat "
    "background-size background border-collapse border-image border-radius border-spacing "
    "box-shadow box-sizing caption-side clear clip-path color-scheme column-count cursor direction "
    "display empty-cells filter float font-kerning font-size-adjust font-size font-stretch "
    "font-weight font height hyphenate-character hyphenate-limit-chars hyphens inline-size "
    "justify-content letter-spacing line-height list-style-image list-style-position "
    "list-style-type list-style mask-image max-block-size max-height max-inline-size max-width "
    "min-block-size min-height min-inline-size min-width mix-blend-mode object-fit object-position "
    "opacity orphans outline-offset outline overflow-wrap position resize shape-margin "
    "shape-outside tab-size table-layout text-align-last text-align text-decoration-color "
    "text-decoration-line text-decoration-skip-ink text-decoration-style text-decoration-thickness "
    "text-decoration text-emphasis-position text-indent text-justify text-orientation "
    "text-overflow text-shadow text-transform text-underline-offset text-underline-position "
    "text-wrap transform user-select vertical-align visibility white-space-collapse white-space "
    "widows width word-break word-spacing word-wrap writing-mode z-index"
)
"""Features `css-NAME` that are the property of that name."""

_CSS: Final = {
    "css-animation": _all(
        "property",
        "animation animation-delay animation-direction animation-duration animation-fill-mode "
        "animation-iteration-count animation-name animation-play-state animation-timing-function",
    ),
    "css-at-font-face": ("at font-face",),
    "css-at-import": ("at import",),
    "css-at-keyframes": ("at keyframes", "at -webkit-keyframes"),
    "css-at-media": ("at media",),
    "css-at-media-device-pixel-ratio": _all(
        "media",
        "-webkit-device-pixel-ratio -webkit-min-device-pixel-ratio -webkit-max-device-pixel-ratio",
    ),
    "css-at-media-hover": _all("media", "hover any-hover"),
    "css-at-media-orientation": ("media orientation",),
    "css-at-media-prefers-color-scheme": ("media prefers-color-scheme",),
    "css-at-media-prefers-reduced-motion": ("media prefers-reduced-motion",),
    "css-at-supports": ("at supports",),
    "css-block-inline-size": _all("property", "block-size inline-size"),
    "css-border": (
        "property border",
        *(
            f"property border-{side}{part}"
            for side in ("", "top-", "right-", "bottom-", "left-")
            for part in ("width", "style", "color")
        ),
        *_all("property", "border-top border-right border-bottom border-left"),
    ),
    "css-border-inline-block": _all("property", "border-inline border-block"),
    "css-border-inline-block-individual": tuple(
        f"property border-{axis}-{part}"
        for axis in ("inline", "block")
        for part in ("color", "style", "width", "start", "end")
    ),
    "css-border-inline-block-longhand": tuple(
        f"property border-{axis}-{end}-{part}"
        for axis in ("inline", "block")
        for end in ("start", "end")
        for part in ("color", "style", "width")
    ),
    "css-border-radius-logical": _all(
        "property",
        "border-start-start-radius border-start-end-radius border-end-start-radius "
        "border-end-end-radius",
    ),
    "css-column-layout-properties": _all(
        "property",
        "columns column-count column-fill column-rule column-rule-color column-rule-style "
        "column-rule-width column-span column-width",
    ),
    "css-comments": ("css comment",),
    "css-conic-gradient": _all("function", "conic-gradient repeating-conic-gradient"),
    "css-display-flex": _all("value", "display:flex display:inline-flex"),
    "css-display-grid": _all("value", "display:grid display:inline-grid"),
    "css-display-none": ("value display:none",),
    "css-flex-direction": _all("value", "flex-direction:column flex-direction:column-reverse"),
    "css-flex-wrap": _all("value", "flex-wrap:wrap flex-wrap:wrap-reverse"),
    "css-function-clamp": ("function clamp",),
    "css-function-light-dark": ("function light-dark",),
    "css-function-max": ("function max",),
    "css-function-min": ("function min",),
    "css-gap": _all("property", "gap column-gap row-gap"),
    "css-grid-template": _all(
        "property",
        "grid-template grid-template-areas grid-template-columns grid-template-rows",
    ),
    "css-important": ("important",),
    "css-inert-attribute": ("attribute inert",),
    "css-inset": _all(
        "property",
        "inset inset-block inset-block-start inset-block-end inset-inline inset-inline-start "
        "inset-inline-end",
    ),
    "css-intrinsic-size": (
        *_all("keyword", "fit-content min-content max-content"),
        "function fit-content",
    ),
    "css-left-right-top-bottom": _all("property", "left right top bottom"),
    "css-linear-gradient": _all("function", "linear-gradient repeating-linear-gradient"),
    "css-margin": _all("property", "margin margin-left margin-right margin-top margin-bottom"),
    "css-margin-block-start-end": _all("property", "margin-block-start margin-block-end"),
    "css-margin-inline-block": _all("property", "margin-inline margin-block"),
    "css-margin-inline-start-end": _all("property", "margin-inline-start margin-inline-end"),
    "css-modern-color": _all("function", "lch oklch lab oklab"),
    "css-nesting": ("css nesting",),
    "css-overflow": _all(
        "property", "overflow overflow-x overflow-y overflow-block overflow-inline"
    ),
    "css-padding": _all(
        "property", "padding padding-left padding-right padding-top padding-bottom"
    ),
    "css-padding-block-start-end": _all("property", "padding-block-start padding-block-end"),
    "css-padding-inline-block": _all("property", "padding-inline padding-block"),
    "css-padding-inline-start-end": _all("property", "padding-inline-start padding-inline-end"),
    "css-radial-gradient": _all("function", "radial-gradient repeating-radial-gradient"),
    "css-rgb": ("function rgb",),
    "css-rgba": ("function rgba",),
    "css-scroll-snap": _all("property", "scroll-snap-type scroll-snap-align scroll-snap-stop"),
    "css-sytem-ui": _all("keyword", "system-ui ui-serif ui-sans-serif ui-rounded ui-monospace"),
    "css-text-emphasis": _all("property", "text-emphasis text-emphasis-color text-emphasis-style"),
    "css-transition": _all(
        "property",
        "transition transition-delay transition-duration transition-property "
        "transition-timing-function",
    ),
    "css-unit-calc": ("function calc",),
    "css-unit-initial": ("keyword initial",),
    "css-unit-percent": ("unit %",),
    "css-variables": ("property --*", "function var"),
}
_UNITS: Final = "ch cm em ex in mm pc pt px rem vh vmax vmin vw"
_PSEUDO_CLASSES: Final = (
    "active checked default first-child first-of-type focus-visible focus-within focus has hover "
    "lang last-child last-of-type link not nth-child nth-last-child nth-last-of-type nth-of-type "
    "only-child only-of-type target visited"
)
_PSEUDO_ELEMENTS: Final = "after before first-letter first-line marker placeholder"
_SELECTORS: Final = (
    "adjacent-sibling attribute chaining child class descendant general-sibling grouping id type "
    "universal"
)

_ELEMENTS: Final = (
    "abbr acronym address audio base bdi blockquote body code del dfn dialog div form hr img link "
    "marquee meter p picture pre progress rp rt ruby select small span strike strong style svg "
    "table textarea video wbr"
)
"""Features `html-NAME` that are the element of that name."""
_ATTRIBUTES: Final = (
    "align aria-describedby aria-hidden aria-label aria-labelledby aria-live background "
    "cellpadding cellspacing dir height hidden lang popover required role target valign width"
)
"""Features `html-NAME` that are the attribute of that name."""
_HTML: Final = {
    "html-anchor-links": ("link local",),
    "html-button-reset": ("type button:reset",),
    "html-button-submit": ("type button:submit",),
    "html-comments": ("html comment",),
    "html-doctype": ("doctype html",),
    "html-h1-h6": _all("element", "h1 h2 h3 h4 h5 h6"),
    "html-image-maps": ("element map", "attribute usemap"),
    "html-input-checkbox": ("type input:checkbox",),
    "html-input-hidden": ("type input:hidden",),
    "html-input-radio": ("type input:radio",),
    "html-input-reset": ("type input:reset",),
    "html-input-submit": ("type input:submit",),
    "html-input-text": ("type input:text",),
    "html-lists": _all("element", "ul ol li dl dt dd"),
    "html-loading-attribute": ("attribute loading",),
    "html-mailto-links": ("link mailto",),
    "html-meta-color-scheme": ("meta color-scheme",),
    "html-object": _all("element", "object embed"),
    "html-semantics": _all(
        "element",
        "article aside details figcaption figure footer header main mark nav section summary time",
    ),
    "html-srcset": _all("attribute", "srcset sizes"),
}
_PICTURES: Final = "apng avif base64 bmp gif hdr ico mp4 png svg webp"
_OTHER_PICTURES: Final = {
    "image-heif": _all("picture", "heif heic"),
    "image-jpg": _all("picture", "jpg jpeg"),
    "image-tiff": _all("picture", "tif tiff"),
}


def _named(prefix: str, kind: str, names: str) -> dict[str, tuple[str, ...]]:
    return {f"{prefix}-{name}": (f"{kind} {name}",) for name in names.split()}


MARKS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        **_named("css", "property", _PROPERTIES),
        **_named("css-unit", "unit", _UNITS),
        **_named("css-pseudo-class", "pseudo-class", _PSEUDO_CLASSES),
        **_named("css-pseudo-element", "pseudo-element", _PSEUDO_ELEMENTS),
        **_named("css-selector", "selector", _SELECTORS),
        **_CSS,
        **_named("html", "element", _ELEMENTS),
        **_named("html", "attribute", _ATTRIBUTES),
        **_HTML,
        **_named("image", "picture", _PICTURES),
        **_OTHER_PICTURES,
    }
)
"""By which marks a feature is found."""
