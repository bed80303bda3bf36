// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/// A key that was pressed.
enum Key: Equatable {
    case character(Unicode.Scalar)
    case up, down, left, right, pageUp, pageDown, home, end
    case enter, escape, backspace
}

/// What a person has chosen in `fdmctl top`. Knows nothing of the terminal.
struct TopState {
    enum Pane { case series, processes }
    enum Action { case none, quit }

    var pane = Pane.series
    var sort = TopSort.name
    var processSort = TopProcessSort.slot
    var isPaused = false
    var showsHelp = false
    /// The first row that is shown.
    private(set) var scroll = 0
    /// The greatest that `scroll` may be; the frame says so when it knows how many rows there are.
    var lastScroll = 0 {
        didSet { scroll = max(0, min(scroll, lastScroll)) }
    }
    /// How many columns of names that are too long are left out.
    private(set) var shift = 0
    /// The filter as it was typed.
    private(set) var filterText = ""
    private(set) var isEditing = false
    /// What is shown meanwhile, if the text is no regular expression (yet), is the last one that was.
    private(set) var filter: SeriesFilter?
    private(set) var isFilterWrong = false
    private var textBeforeEditing = ""

    init(filter text: String?) {
        if let text { setFilter(text) }
    }

    /// - Parameter page: how many rows the screen has.
    mutating func handle(_ key: Key, page: Int) -> Action {
        if isEditing {
            edit(key)
            return .none
        }
        if showsHelp {
            showsHelp = false
            return key == .character("q") ? .quit : .none
        }
        switch key {
        case .character("q"): return .quit
        case .character("?"), .character("h"): showsHelp = true
        case .character(" "): isPaused.toggle()
        case .character("p"):
            pane = pane == .series ? .processes : .series
            scroll = 0
        case .character("s"):
            if pane == .series { sort = sort.next } else { processSort = processSort.next }
            scroll = 0
        case .character("/"):
            isEditing = true
            pane = .series
            textBeforeEditing = filterText
        case .up, .character("k"): scroll -= 1
        case .down, .character("j"): scroll += 1
        case .left: shift = max(0, shift - 8)
        case .right: shift = min(4096, shift + 8)
        case .pageUp: scroll -= page
        case .pageDown: scroll += page
        case .home, .character("g"): scroll = 0
        case .end, .character("G"): scroll = lastScroll
        case .escape: setFilter("")
        default: break
        }
        scroll = max(0, min(scroll, lastScroll))
        return .none
    }

    private mutating func edit(_ key: Key) {
        switch key {
        case .enter:
            isEditing = false
        case .escape:
            isEditing = false
            setFilter(textBeforeEditing)
        case .backspace:
            setFilter(String(filterText.dropLast()))
        case .character(let character):
            setFilter(filterText + String(character))
        default: break
        }
    }

    private mutating func setFilter(_ text: String) {
        filterText = text
        scroll = 0
        isFilterWrong = false
        if text.isEmpty {
            filter = nil
        } else if let made = SeriesFilter(text) {
            filter = made
        } else {
            isFilterWrong = true
        }
    }

    /// The series that are shown, in their order.
    func rows(_ model: TopModel) -> [TopModel.Row] {
        sort.sorted(filter.map { filter in model.rows.filter { filter.accepts($0.text) } } ?? model.rows)
    }
}
