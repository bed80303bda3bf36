// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/// A file of the page, out of this program: the package puts the files of the folder Assets into it.
struct PageAsset {
    let contentType: String
    let bytes: [UInt8]

    /// - Parameter path: as the client sent it; nil: there is no such file.
    init?(path: String) {
        switch path {
        case "/", "/index.html": self.init("text/html; charset=utf-8", PackageResources.index_html)
        case "/icon.svg": self.init("image/svg+xml", PackageResources.icon_svg)
        case "/base.css": self.init(style: PackageResources.base_css)
        case "/tables.css": self.init(style: PackageResources.tables_css)
        case "/api.js": self.init(script: PackageResources.api_js)
        case "/chart.js": self.init(script: PackageResources.chart_js)
        case "/detail.js": self.init(script: PackageResources.detail_js)
        case "/dom.js": self.init(script: PackageResources.dom_js)
        case "/format.js": self.init(script: PackageResources.format_js)
        case "/heatmap.js": self.init(script: PackageResources.heatmap_js)
        case "/history.js": self.init(script: PackageResources.history_js)
        case "/labels.js": self.init(script: PackageResources.labels_js)
        case "/main.js": self.init(script: PackageResources.main_js)
        case "/metrics.js": self.init(script: PackageResources.metrics_js)
        case "/plot.js": self.init(script: PackageResources.plot_js)
        case "/processes.js": self.init(script: PackageResources.processes_js)
        case "/quantile.js": self.init(script: PackageResources.quantile_js)
        case "/rows.js": self.init(script: PackageResources.rows_js)
        case "/sparkline.js": self.init(script: PackageResources.sparkline_js)
        case "/summary.js": self.init(script: PackageResources.summary_js)
        case "/view.js": self.init(script: PackageResources.view_js)
        default: return nil
        }
    }

    private init(_ contentType: String, _ bytes: [UInt8]) {
        self.contentType = contentType
        self.bytes = bytes
    }

    private init(style bytes: [UInt8]) { self.init("text/css; charset=utf-8", bytes) }

    private init(script bytes: [UInt8]) { self.init("text/javascript; charset=utf-8", bytes) }

    /// A page of an older server must not be shown with the scripts of a newer one; and nothing in it may be fetched from
    /// anywhere else, or run that is not in these files, whatever a label holds.
    var headers: [(name: String, value: String)] {
        [
            ("Cache-Control", "no-cache"),
            (
                "Content-Security-Policy",
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
                    + "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
            ),
        ]
    }
}
