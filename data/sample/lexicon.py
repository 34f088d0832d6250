"""The words of the sample: verbs in opposite pairs, and the people, things and places around them.

Every verb stands beside a synonym (same row, same side) and two opposites (the other side).
"""

# past (= participle) of two synonyms | of two opposites ; kinds of object they take
VERBS = """
bought purchased | sold vended ; goods
approved endorsed | rejected vetoed ; papers
opened unsealed | closed shut ; boxes
built erected | demolished razed ; buildings
repaired mended | damaged wrecked ; machines
hired recruited | dismissed sacked ; workers
praised applauded | criticised scolded ; workers
welcomed greeted | ignored snubbed ; workers
found located | lost misplaced ; goods
hid concealed | displayed exhibited ; goods
cleaned washed | stained soiled ; boxes
heated warmed | cooled chilled ; foods
loaded packed | unloaded unpacked ; boxes
accepted adopted | refused declined ; papers
allowed permitted | banned prohibited ; events
started launched | ended concluded ; events
extended lengthened | shortened trimmed ; events
supported defended | opposed resisted ; papers
planted sowed | uprooted harvested ; plants
watered irrigated | parched withered ; plants
borrowed leased | returned surrendered ; machines
published printed | withdrew retracted ; papers
enlarged expanded | reduced narrowed ; buildings
fastened tightened | loosened unfastened ; machines
admired respected | despised scorned ; workers
trusted believed | doubted suspected ; workers
remembered recalled | forgot overlooked ; events
joined attended | skipped missed ; events
seasoned salted | spoiled ruined ; foods
preserved saved | discarded scrapped ; goods
froze iced | melted thawed ; foods
filled stuffed | emptied drained ; boxes
polished buffed | scratched scraped ; machines
locked bolted | unlocked unbolted ; buildings
renovated restored | neglected abandoned ; buildings
simplified streamlined | complicated confused ; papers
""".strip()

# two synonyms | two opposites
ADVERBS = """
often frequently | rarely seldom
quickly swiftly | slowly gradually
carefully cautiously | carelessly recklessly
gladly happily | reluctantly grudgingly
openly publicly | secretly covertly
promptly punctually | belatedly tardily
proudly boastfully | modestly humbly
calmly peacefully | angrily furiously
""".strip()

AMOUNTS = "over above | under below"
TIMING = "before preceding | after following"
PLACING = "inside within | outside beyond"
DENIALS = "never not_once"

SIZES = """
large big | small little
old aged | new recent
cheap inexpensive | costly expensive
heavy weighty | light lightweight
clean spotless | dirty filthy
famous renowned | unknown obscure
ugly hideous | pretty beautiful
rare unusual | common ordinary
""".strip()

# kind of object ; plural nouns
OBJECTS = """
goods ; lamps carpets violins mirrors chairs paintings coins necklaces books clocks vases tents
goods ; bicycles drums rugs cameras helmets umbrellas wallets rings statues maps telescopes guitars
goods ; blankets candles scarves jackets kites puzzles postcards bracelets flutes baskets notebooks
papers ; proposals contracts laws plans budgets reforms petitions reports theories essays treaties
papers ; manuscripts drafts forecasts studies surveys articles schedules policies rulings memos
papers ; agreements charters guidelines recipes timetables applications invoices statements patents
boxes ; crates jars drawers suitcases barrels bottles trunks containers cabinets parcels envelopes
boxes ; buckets tanks sacks chests cartons freezers baskets pots wagons lockers cupboards bins
buildings ; houses bridges towers schools barns museums theatres stables warehouses garages chapels
buildings ; hospitals libraries cottages stadiums factories castles hotels bakeries stations temples
buildings ; lighthouses cinemas laboratories greenhouses workshops observatories pavilions mills
machines ; engines tractors printers pumps elevators radios generators scooters turbines heaters
machines ; looms cranes boilers computers ovens compressors sensors drones robots harvesters valves
machines ; microscopes projectors trams locomotives excavators forklifts antennas motors drills
workers ; nurses drivers pilots teachers clerks painters bakers waiters actors singers plumbers
workers ; farmers sailors weavers editors guards dancers porters tutors coaches welders gardeners
workers ; analysts carpenters librarians translators mechanics trainees interns florists barbers
events ; meetings concerts parades lectures festivals races strikes auctions trials exhibitions
events ; rehearsals debates tournaments seminars picnics ceremonies excursions workshops hearings
events ; campaigns contests banquets carnivals conferences holidays expeditions performances games
plants ; roses tulips oaks vines orchards hedges ferns lilies cedars maples beans pumpkins
plants ; cabbages tomatoes cherries olives palms birches daisies orchids carrots onions shrubs
plants ; lavenders willows peppers melons radishes turnips poppies cactuses pines almonds grapes
foods ; soups stews pies sauces puddings broths curries noodles dumplings pancakes omelettes
foods ; cakes loaves sausages burgers porridges salads tarts biscuits lasagnas casseroles fillets
foods ; waffles muffins meatballs pastries chowders risottos kebabs steaks custards jellies syrups
goods ; saddles anchors brooms pillows curtains ladders trumpets harps cellos whistles fans combs
goods ; swords shields crowns medals stamps marbles dolls yo-yos skates rackets oars paddles nets
goods ; brushes easels looms quilts aprons mittens sandals boots slippers gloves hats belts ties
papers ; affidavits audits ballots briefings bylaws circulars covenants diplomas directives edicts
papers ; leaflets manifestos memoirs motions novels pamphlets permits poems prospectuses summaries
papers ; subpoenas syllabuses transcripts treatises verdicts warrants wills decrees dossiers graphs
boxes ; canisters caskets churns coffers coolers flasks hampers jugs kettles kegs ladles pails pans
boxes ; pitchers pouches satchels silos skips thermoses troughs tubs vats vials wallets urns crates
buildings ; abbeys arcades arenas barracks bungalows cabins cathedrals clinics convents dormitories
buildings ; embassies forts galleries gazebos huts inns kiosks lodges mansions mosques palaces piers
buildings ; prisons pubs restaurants sheds shelters studios synagogues terraces tunnels villas wharves
machines ; ambulances balers blenders bulldozers buses capacitors carburettors chainsaws circuits
machines ; conveyors dishwashers dynamos escalators gearboxes gliders hoists kilns lathes lawnmowers
machines ; modems mowers ploughs pulleys routers satellites servers shredders speakers submarines
workers ; archivists barristers beekeepers bricklayers cashiers chauffeurs cleaners cobblers couriers
workers ; decorators divers dockers electricians firefighters fishermen foresters glaziers goldsmiths
workers ; hairdressers janitors joiners locksmiths lumberjacks masons midwives miners painters potters
events ; auditions balls baptisms barbecues births christenings competitions congresses cruises
events ; dances demonstrations derbies elections excavations fairs feasts fundraisers galas hikes
events ; interviews journeys marathons matinees musicals operas pageants parties pilgrimages plays
events ; premieres processions quizzes raffles recitals regattas reunions rodeos sales sermons shows
plants ; acacias almonds artichokes asters bamboos begonias beeches cacti camellias chestnuts clovers
plants ; crocuses cypresses dahlias dandelions elms eucalyptuses figs firs gardenias geraniums ivies
plants ; hazels heathers hollies hyacinths irises jasmines junipers larches leeks lentils lettuces
plants ; lilacs magnolias mangoes marigolds mimosas mulberries nettles parsnips peonies petunias plums
foods ; bagels baguettes brownies burritos cheesecakes chutneys cookies crackers crepes croissants
foods ; cupcakes doughnuts enchiladas falafels fritters fudges goulashes gratins hams hotpots jams
foods ; marmalades meringues mousses nachos paellas pasties pates pickles pizzas pretzels quiches
foods ; ravioli relishes rissoles samosas sandwiches schnitzels scones sorbets souffles strudels tacos
""".strip()

ADJECTIVES = """
red blue green yellow purple orange brown grey pink golden silver crimson scarlet violet turquoise
old young modern ancient antique recent vintage historic famous local foreign regional national
small large tiny huge wide broad slim heavy light tall short round square curved flat narrow
cheap costly pricey modest luxurious ordinary unusual curious rare typical popular obscure
quiet noisy silent loud calm lively gentle rough smooth fragile sturdy robust delicate flimsy
plain fancy elegant ugly pretty lovely charming dull bright dark shiny dusty rusty glossy faded
wooden metallic plastic ceramic marble leather cotton woollen velvet silken granite copper bronze
northern southern eastern western coastal rural urban remote central distant nearby inland
sweet sour bitter spicy salty fresh crisp juicy creamy fragrant bland savoury tasty smoky
clever loyal honest shy bold timid patient stubborn cheerful gloomy polite witty earnest humble
useful handy clumsy complex simple precise vague official private public secret joint annual weekly
Danish Spanish Polish Kenyan Chilean Korean Turkish Finnish Peruvian Irish Greek Cuban Thai Dutch
""".strip()

FIRST_NAMES = """
Anna Omar Lucia Henrik Mei Tomas Priya Jonas Fatima Oscar Elena Kofi Ingrid Mateo Yuki Pavel Amara
Stefan Leila Bruno Sofia Dmitri Nadia Felix Chiara Samuel Aisha Viktor Greta Rafael Hana Emil Zara
Marco Olga Idris Paula Anton Salma Hugo Mirela Tariq Astrid Diego Naomi Ivan Carmen Lars Rosa Kenji
Beatriz Erik Layla Miguel Petra Arjun Clara Otto Selin Andre Vera Kamal Julia Rohan Marta Nils Dalia
Edgar Noor Simon Irina Pablo Freya Hassan Livia Georg Tessa Amir Bianca Axel Farah Cesar Elif Jakob
Monika Ravi Helga Luis Samira Karl Yasmin Boris Ines Malik Ursula Adrian Zofia Nikhil Camila Rolf
Jamila Enzo Katya Moses Wanda Tariku Silvia Bengt Roxana Imran Gloria Sven Lina Faisal Agnes Ruben
Maren Ibrahim Flora Kasper Dina Jorge Tilda Walid Nora Aldo Sanna Esteban Judit Milan Rania Goran
""".strip()

SURNAMES = """
Keller Haddad Moreno Lindqvist Tanaka Novak Sharma Weber Diallo Rossi Petrov Mensah Larsen Castillo
Sato Horvat Okafor Berger Rahimi Conti Silva Volkov Karimi Braun Ferrari Cohen Nasser Kowalski Holm
Vargas Kim Jansen Qureshi Fischer Bianchi Popescu Aziz Nyberg Herrera Ito Dvorak Banda Schultz Amari
Marino Costa Sokolov Farouk Vogel Ricci Nagy Khalil Olsen Ortega Mori Kral Adeyemi Wagner Hosseini
Gallo Pereira Orlov Bakari Huber Greco Stoica Hamdan Dahl Mendoza Abe Benes Eze Richter Sultani
Bruno Alves Lebedev Kamara Frank Fontana Ilic Saleh Berg Rojas Endo Cerny Balogun Maier Tehrani
""".strip()

CITIES = """
Aarhus Aberdeen Adelaide Ankara Asuncion Atlanta Auckland Austin Baltimore Bangkok Basel Belfast
Belgrade Berlin Bern Bordeaux Brasilia Bremen Brisbane Bucharest Calgary Canberra Caracas Cleveland
Cordoba Cork Dallas Delhi Detroit Doha Dortmund Dubai Edinburgh Essen Exeter Fez Frankfurt Galway
Georgetown Goa Halifax Hanover Harare Hobart Houston Innsbruck Izmir Jaipur Kabul Kathmandu Khartoum
Kingston Leeds Leiden Lucerne Luxembourg Lviv Manchester Memphis Miami Minsk Mombasa Montevideo
Oslo Lima Kyoto Prague Nairobi Toronto Lisbon Cairo Dublin Hanoi Bogota Vienna Warsaw Seoul Madrid
Accra Athens Boston Chicago Denver Geneva Havana Helsinki Istanbul Jakarta Karachi Lagos Leipzig
London Lyon Manila Marseille Melbourne Milan Montreal Moscow Mumbai Munich Naples Osaka Ottawa
Paris
Porto Quito Riga Rome Santiago Seville Sofia Stockholm Sydney Taipei Tallinn Tehran Tokyo Tunis
Turin
Utrecht Valencia Venice Vilnius Zagreb Zurich Algiers Antwerp Baku Bergen Bilbao Bologna Bristol
Brussels Budapest Cardiff Casablanca Cologne Cracow Dakar Damascus Dresden Durban Florence Genoa
Ghent Glasgow Gothenburg Granada Graz Hamburg Kampala Kiel Kigali Lahore Lusaka Malaga Malmo Nantes
""".strip()

ROLES = """
mayor baker engineer doctor lawyer captain artist farmer scientist minister designer builder chemist
director merchant principal inspector librarian manager architect gardener carpenter surgeon
trader curator colonel banker composer producer consultant dentist geologist biologist historian
economist physicist botanist sculptor tailor jeweller butcher grocer blacksmith astronomer publisher
developer treasurer ambassador senator governor novelist poet violinist pianist drummer goalkeeper
cyclist swimmer runner jockey boxer wrestler sailor skipper ranger shepherd brewer chef caterer
pharmacist optician vet zoologist statistician programmer secretary chairman deputy sheriff
detective constable judge notary auditor broker agent vendor supplier courier postman
""".strip()

EVENTS = """
lunch breakfast dinner supper dawn sunset noon midnight Christmas Easter January February March
April June July August September October November December spring summer autumn winter Monday Tuesday
Wednesday Thursday Friday Saturday Sunday
the election; the storm; the heatwave; the holidays; the drought; the flood; the funeral;
the wedding; the match; the exam; the war; the earthquake; the carnival; the fire; the audit; the vote;
the census; the blackout; the eclipse; the landslide; the ceasefire; the coronation; the referendum; the merger
""".strip()

NUMBERS = """
two three four five six seven eight nine ten eleven twelve
""".strip()

MONTHS = """
January February March April May June July August September October November December
""".strip()

ONES = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen
""".strip()

TENS = """
zero ten twenty thirty forty fifty sixty seventy eighty ninety
""".strip()
