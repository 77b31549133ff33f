"""Pools that the invented world draws from: names, streets and towns of several countries, trades, titles.

All of it is common vocabulary; no pool entry belongs to a real person. Domains end in `.example` so that no mail
about invented people can ever reach anyone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from anyascii import anyascii


def latin(text: str) -> str:
    """Letters and digits of a name as they would stand in an e-mail address."""
    return "".join(letter for letter in anyascii(text).lower() if letter.isalnum())


@dataclass(frozen=True)
class Culture:
    """One country's pools. A family name of the form `Nowak/Nowakowa` has a form for each sex."""

    country: str
    language: str
    dial: str
    weight: int
    women: tuple[str, ...]
    men: tuple[str, ...]
    families: tuple[str, ...]
    towns: tuple[tuple[str, str], ...]
    streets: tuple[str, ...]
    street_form: str = "{street} {number}"

    @cached_property
    def women_latin(self) -> tuple[str, ...]:
        return tuple(latin(name) for name in self.women)

    @cached_property
    def men_latin(self) -> tuple[str, ...]:
        return tuple(latin(name) for name in self.men)

    @cached_property
    def families_by_sex(self) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
        """(name, latin name) pairs for men and for women."""
        men = [name.split("/")[0] for name in self.families]
        women = [name.split("/")[-1] for name in self.families]
        return tuple((n, latin(n)) for n in men), tuple((n, latin(n)) for n in women)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


def _towns(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((name.strip(), code.strip()) for name, code in (pair.rsplit(" ", 1) for pair in text.split(",")))


CULTURES: tuple[Culture, ...] = (
    Culture(
        "PL", "pl", "+48", 26,
        _words("Anna, Małgorzata, Łucja, Zofia, Agnieszka, Katarzyna, Żaneta, Elżbieta, Joanna, Grażyna, Maja, Danuta"),
        _words("Jan, Paweł, Łukasz, Krzysztof, Wojciech, Stanisław, Michał, Tomasz, Andrzej, Grzegorz, Światosław"),
        _words("Nowak, Kowalski/Kowalska, Wiśniewski/Wiśniewska, Wójcik, Kamiński/Kamińska, Dąbrowski/Dąbrowska,"
               "Szymański/Szymańska, Woźniak, Zieliński/Zielińska, Król, Wróbel, Zając, Pawłowski/Pawłowska, Żak"),
        _towns("Warszawa 00-950, Kraków 30-001, Łódź 90-001, Wrocław 50-001, Poznań 60-001, Gdańsk 80-001,"
               "Rzeszów 35-001, Zielona Góra 65-001"),
        _words("ul. Długa, ul. Świętokrzyska, ul. Mickiewicza, al. Jana Pawła II, ul. Łąkowa, ul. Polna"),
    ),
    Culture(
        "DE", "de", "+49", 12,
        _words("Käthe, Heike, Anneliese, Sophie, Lena, Hannah, Grete, Ursula, Brünhilde, Mia"),
        _words("Jürgen, Björn, Lukas, Matthias, Günther, Klaus-Peter, Felix, Jörg, Stefan, Uwe"),
        _words("Müller, Schmidt, Weiß, Schröder, Krämer, Groß, Köhler, Vogel, von der Heide, Bäcker, Schulze"),
        _towns("Berlin 10115, München 80331, Köln 50667, Düsseldorf 40210, Nürnberg 90402, Görlitz 02826"),
        _words("Hauptstraße, Bahnhofstraße, Goethestraße, Am Markt, Königsallee"),
    ),
    Culture(
        "GB", "en", "+44", 16,
        _words("Olivia, Amelia, Isla, Ava, Siân, Niamh, Grace, Chloe, Mary-Jane, Zoë"),
        _words("Oliver, George, Harry, Seán, Rhys, James, William, Thomas, Ewan, Dylan"),
        _words("Smith, Jones, O'Neill, MacDonald, Taylor, Brown, Evans, Wilson, St John-Smythe, Walker, Wright"),
        _towns("London EC1A, Leeds LS1, Cardiff CF10, Glasgow G1, Bristol BS1, Belfast BT1"),
        _words("High Street, Station Road, Church Lane, Victoria Road, Mill Lane"), "{number} {street}",
    ),
    Culture(
        "FR", "fr", "+33", 8,
        _words("Chloé, Éléonore, Hélène, Agnès, Zoé, Françoise, Léa, Maëlle, Inès"),
        _words("François, Jérôme, Noël, Rémi, Étienne, Loïc, Benoît, Jean-Luc, Théo"),
        _words("Lefèvre, Dupont, Martin, Garçon, Hérault, de La Tour, Châtelain, N'Guyen, Moreau"),
        _towns("Paris 75001, Lyon 69001, Nîmes 30000, Orléans 45000, Besançon 25000"),
        _words("rue de la République, avenue Foch, rue Molière, boulevard Saint-Michel"), "{number}, {street}",
    ),
    Culture(
        "ES", "es", "+34", 7,
        _words("María José, Begoña, Lucía, Inés, Concepción, Ángela, Ximena"),
        _words("José, Íñigo, Jesús, Ramón, Ángel, Andrés, Nuño"),
        _words("García López, Muñoz, Ibáñez, Núñez, Peña, Fernández, de la Cruz, Güell"),
        _towns("Madrid 28001, Málaga 29001, Cádiz 11001, A Coruña 15001"),
        _words("Calle Mayor, Avenida de España, Plaza Nueva, Calle Peñón"), "{street}, {number}",
    ),
    Culture(
        "CZ", "cs", "+420", 5,
        _words("Markéta, Jiřina, Božena, Růžena, Šárka, Adéla"),
        _words("Jiří, Ondřej, Tomáš, Zdeněk, Vítězslav, Luboš"),
        _words("Dvořák/Dvořáková, Novák/Nováková, Němec/Němcová, Růžička/Růžičková, Šťastný/Šťastná"),
        _towns("Praha 11000, Plzeň 30100, České Budějovice 37001, Třinec 73961"),
        _words("Náměstí Míru, Dlouhá, Školní, U Řeky"),
    ),
    Culture(
        "HU", "hu", "+36", 3,
        _words("Erzsébet, Ágnes, Zsófia, Tünde, Katalin"), _words("Győző, László, István, Gergő, Ödön"),
        _words("Szabó, Tóth, Nagy, Kovács, Lőrincz, Fűtő"), _towns("Budapest 1011, Győr 9021, Pécs 7621"),
        _words("Kossuth utca, Petőfi út, Fő tér"),
    ),
    Culture(
        "RO", "ro", "+40", 3,
        _words("Ștefania, Ioana, Mădălina, Rodica"), _words("Ștefan, Răzvan, Mihăiță, Ionuț"),
        _words("Popescu, Ionescu, Țepeș, Bălan, Șerban"), _towns("București 010011, Iași 700001, Timișoara 300001"),
        _words("Strada Lungă, Bulevardul Unirii, Strada Păcii"),
    ),
    Culture(
        "SE", "sv", "+46", 3,
        _words("Åsa, Märta, Malin, Elin, Freja"), _words("Göran, Håkan, Björn, Åke, Nils"),
        _words("Åkesson, Lindström, Sjögren, Öberg, Nilsson"), _towns("Malmö 21120, Göteborg 41101, Örebro 70210"),
        _words("Storgatan, Kungsgatan, Älvvägen"),
    ),
    Culture(
        "TR", "tr", "+90", 3,
        _words("Ayşe, Çiğdem, Işıl, Gülşen, Öznur"), _words("İbrahim, Çağlar, Oğuz, Şükrü, Ümit"),
        _words("Yılmaz, Öztürk, Şahin, Çelik, Doğan"), _towns("İstanbul 34000, İzmir 35000, Diyarbakır 21000"),
        _words("Atatürk Caddesi, Çiçek Sokak, Işık Sokak"),
    ),
    Culture(
        "VN", "vi", "+84", 2,
        _words("Thị Hồng, Ngọc Ánh, Thuỳ Linh"), _words("Văn Đức, Quốc Bảo, Hữu Phước"),
        _words("Nguyễn, Trần, Lê, Phạm, Đặng"), _towns("Hà-Nội 100000, Đà-Nẵng 550000"),
        _words("Đường Lê Lợi, Phố Huế"),
    ),
    Culture(
        "GR", "el", "+30", 2,
        _words("Ελένη, Μαρία, Ἀθηνᾶ, Κωνσταντίνα"), _words("Γιώργος, Νίκος, Δημήτρης, Αχιλλέας"),
        _words("Παπαδόπουλος/Παπαδοπούλου, Γεωργίου, Οικονόμου, Νικολαΐδης/Νικολαΐδου"),
        _towns("Αθήνα 10431, Θεσσαλονίκη 54621"), _words("Οδός Ερμού, Πανεπιστημίου"),
    ),
    Culture(
        "UA", "uk", "+380", 4,
        _words("Оксана, Ганна, Юлія, Соломія, Надія"), _words("Олексій, Михайло, Євген, Тарас, Ігор"),
        _words("Шевченко, Коваленко, Ґонта, Щербак, Ткачук"), _towns("Київ 01001, Львів 79000, Одеса 65000"),
        _words("вул. Хрещатик, вул. Лесі Українки, пр. Перемоги"),
    ),
    Culture(
        "JP", "ja", "+81", 2,
        _words("さくら, 美咲, 陽子, 恵"), _words("太郎, 健一, 翔, 大輔"), _words("田中, 佐藤, 鈴木, 渡邉, 髙橋"),
        _towns("東京 100-0001, 大阪 530-0001, 京都 600-8001"), _words("中央通り, 銀座, 本町"),
    ),
    Culture(
        "CN", "zh", "+86", 2,
        _words("丽, 芳, 静, 小红"), _words("伟, 强, 建国, 小龙"), _words("王, 李, 张, 刘, 陈, 欧阳"),
        _towns("北京 100000, 上海 200000, 深圳 518000"), _words("中山路, 人民路, 建设大道"),
    ),
    Culture(
        "AE", "ar", "+971", 2,
        _words("فاطمة, مريم, نور, ليلى"), _words("محمد, أحمد, يوسف, عبد الله"), _words("الهاشمي, المنصوري, حداد, خوري"),
        _towns("دبي 00000, أبوظبي 00001"), _words("شارع الشيخ زايد, شارع الكورنيش"),
    ),
)  # fmt: skip

COMPANY_ROOTS = _words(
    "Nova, Baltic, Orion, Silesia, Vistula, Alfa, Północ, Meridian, Zenit, Amber, Carpatia, Delta, Éclair, Fjord, Grün,"
    "Helios, Iskra, Juno, Karo, Lumen, Młyn, Nordlicht, Ópera, Polaris, Quanta, Rübe, Solaris, Tatra, Umbra, Verde,"
    "Wega, Xenon, Yara, Złoty Róg, Østfold, Ångström"
)
COMPANY_TRADES = _words(
    "Transport, Logistics, Software, Foods, Pharma, Consulting, Energy, Media, Textil, Machines, Travel, Insurance,"
    "Optics, Steel, Print, Clinic, Academy, Furniture, Seeds, Robotics"
)
COMPANY_FORMS = {
    "PL": ("Sp. z o.o.", "S.A."), "DE": ("GmbH", "AG"), "GB": ("Ltd", "PLC"), "FR": ("SARL", "S.A."),
    "ES": ("S.L.", "S.A."), "CZ": ("s.r.o.", "a.s."),
}  # fmt: skip
INDUSTRIES = _words(
    "Agriculture, Banking, Biotechnology, Chemicals, Communications, Construction, Consulting, Education, Electronics,"
    "Energy, Engineering, Entertainment, Finance, Healthcare, Insurance, Manufacturing, Media, Retail, Technology,"
    "Telecommunications, Transportation, Utilities, Other"
)
TITLES = _words(
    "Sales Director, Head of Marketing, CEO, CFO, Software Engineer, Buyer, Office Manager, Kierownik sprzedaży,"
    "Specjalistka ds. zakupów, Geschäftsführerin, Einkäufer, Directeur général, Jefa de compras, Data Analyst,"
    "Customer Success Manager, Warehouse Manager, Assistant, Owner, Księgowa, Vertriebsleiter"
)
DEPARTMENTS = _words("Sales, Marketing, IT, Finance, Operations, HR, Purchasing")
PRIVATE_DOMAINS = _words(
    "mailbox.example, poczta.example, webmail.example, courrier.example, briefkasten.example, inbox.example,"
    "post.example"
)
ROLE_MAILBOXES = _words("info, office, biuro, kontakt, sales, hello, admin")
INTERESTS = _words("Product news, Events, Training, Offers, Research")
